// Renews the page when the server says that something changed. Everything works without.
//
// Nothing moves under the reader: while something in the page has the focus, text is
// selected or a button is held, the page stays as it is, and a line says that there is
// something newer.
'use strict';
(() => {
  const main = () => document.getElementById('main');
  const line = document.getElementById('live');
  // What came of a form is at no address of its own, and has what somebody wrote in it.
  if (!main() || !line || !window.EventSource || main().querySelector('[data-still]')) return;
  let busy = false;
  let wanted = false;

  const isRead = () => {
    const at = document.activeElement;
    return (at && at !== document.body && at !== main() && main().contains(at)) ||
      String(getSelection()) !== '' || main().querySelector('button:active, form[data-touched]');
  };
  const say = (text, link) => {
    line.textContent = text;
    if (link) {
      const a = document.createElement('a');
      a.href = location.href;
      a.textContent = link;
      line.append(' ', a);
    }
  };
  const renew = async () => {
    if (busy || document.hidden) return;
    if (isRead()) {
      say('· there is something newer:', 'renew');
      return;
    }
    busy = true;
    wanted = false;
    try {
      const answer = await fetch(location.href, { headers: { 'x-evenkeel-renews': '1' } });
      if (answer.status === 401) {
        say('· you are logged out:', 'log in');
        source.close();
        return;
      }
      if (!answer.ok) throw new Error(answer.status);
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const part = fresh.getElementById('main');
      if (!part || isRead()) return;
      const open = [...main().querySelectorAll('details')].map((one) => one.open);
      const word = main().querySelector('.word');
      part.querySelectorAll('details').forEach((one, n) => { one.open = open[n] ?? one.open; });
      if (word) part.prepend(word);
      main().replaceWith(part);
      document.title = fresh.title;
      const way = fresh.querySelector('header nav');
      const old = document.querySelector('header nav');
      if (way && old && !old.contains(document.activeElement)) old.replaceWith(way);
      say('· renews itself');
    } catch {
      say('· does not renew itself now');
    } finally {
      busy = false;
    }
  };

  document.addEventListener('input', (event) => { event.target.form?.setAttribute('data-touched', ''); });
  document.addEventListener('visibilitychange', () => { if (wanted) renew(); });
  const source = new EventSource('/live');
  source.onmessage = (event) => {
    const now = main();
    if (event.data === now.dataset.revision && !('moving' in now.dataset)) {
      if (line.textContent === '') say('· renews itself');
      return;
    }
    wanted = true;
    renew();
  };
  source.onerror = () => { if (source.readyState === 2) say('· does not renew itself now'); };
})();
