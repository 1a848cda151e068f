(()=>{let doc=document,me=doc.currentScript,set=me.dataset,bar=doc.createElement("div"),gone={},told,until=0,shown,
add=(name,text,css)=>{let one=doc.createElement(name);one.textContent=text;one.style.cssText="font:inherit;color:inherit;"+css;bar.append(one);return one},
hidden=(id,put)=>{if(put)gone[id]=1;try{if(put)sessionStorage[id]=1;return gone[id]||sessionStorage[id]}catch{return gone[id]}},
mark=async text=>[...new Uint8Array(await crypto.subtle.digest("SHA-256",new TextEncoder().encode(text)))].map(byte=>(byte+256).toString(16).slice(1)).join("").slice(0,12),
look=async()=>{let now=Date.now(),next;if(told&&now<until&&now>Date.parse(told.as_of)-3e5)for(let one of told.banners)if(!hidden(one.id)&&(!one.for||set.tenant&&one.for.includes(await mark(one.id+":"+set.tenant)))){next=one;break}
if(shown==next?.id)return;shown=next?.id;bar.textContent="";bar.style.padding=next?"10px 16px":0;if(!next)return;
let {texts,link,id}=next,tag=[set.lang,doc.documentElement.lang,...navigator.languages,"en"].map(tag=>(tag||"").slice(0,2)).find(tag=>texts[tag])||Object.keys(texts)[0],own=bar.lang=tag,of=words=>words[own]||words.en;
add("span",texts[tag],"flex:1 1 20em");
if(/^(https?:\/)?\//.test(link))add("a",of(told.more),"").href=link;
tag=add("button",of(told.hide),"background:none;border:1px solid;border-radius:4px;padding:4px 12px");tag.type="button";tag.onclick=()=>{hidden(id,1);look()}},
ask=async()=>{if(!doc.hidden)try{told=await(await fetch(new URL("banner.json",me.src),{credentials:"omit"})).json();until=Date.parse(told.valid_until||told.until)}catch{}look()},
begin=()=>{doc.body.prepend(bar);ask();setInterval(look,5e3);setInterval(ask,6e4);doc.addEventListener("visibilitychange",ask)};
bar.setAttribute("role","status");bar.style.cssText="display:flex;flex-wrap:wrap;gap:8px 16px;align-items:center;background:#6b2300;color:#fff;font:16px/1.5 system-ui,sans-serif";
doc.body?begin():addEventListener("DOMContentLoaded",begin)})()
