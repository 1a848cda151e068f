// Starting a program whose pages are tested, and stopping it for certain.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

// What a failing test shows of a program's output.
const OUTPUT_MAX = 64 * 1024;

/** The path of one of the workspace's own programs, as `cargo build` leaves it. */
export function built(name) {
  return join(ROOT, process.env.CARGO_TARGET_DIR ?? 'target', 'debug', name);
}

/**
 * Starts a program and waits until it has printed what `ready` matches (an
 * address by default; the first group of the match, or all of it).
 *
 * Returns `address`, `output()` so far, `stop()`, which asks it to end, then makes it,
 * and `kill()`, which only makes it. A program that ends or stays silent past `deadlineMs` is an error that
 * shows its output. Nothing that was started outlives this process.
 */
export async function start(program, args = [], options = {}) {
  const { env = {}, cwd = ROOT, ready = /https?:\/\/[\w.:[\]-]+/, deadlineMs = 30_000 } = options;
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const killWithUs = () => child.kill('SIGKILL');
  process.once('exit', killWithUs);
  child.once('exit', () => process.off('exit', killWithUs));

  let output = '';
  const address = await new Promise((resolve, reject) => {
    const fail = (what) => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new Error(`${program} ${what}. It printed:\n${output}`));
    };
    // waits: the deadline of a program that says nothing
    const timer = setTimeout(() => fail(`printed nothing like ${ready} in ${deadlineMs} ms`), deadlineMs);
    child.once('error', (error) => fail(`did not start: ${error.message}`));
    child.once('exit', (code, signal) => fail(`ended with ${signal ?? code}`));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        output = (output + text).slice(-OUTPUT_MAX);
        const found = ready.exec(output);
        if (found) {
          clearTimeout(timer);
          resolve(found[1] ?? found[0]);
        }
      });
    }
  });
  return { address, output: () => output, stop: () => stop(child), kill: () => kill(child) };
}

/** Ends a child as a lost host would. Returns when it is gone. */
async function kill(child) {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** Asks a child to end, and after five seconds makes it. Returns when it is gone. */
async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) {
    return;
  }
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  // waits: the grace between asking and making
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await gone;
  clearTimeout(timer);
}
