// A service of a test's own on loopback, and looking until something is so.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';

/** Listens somewhere on loopback. */
export async function listening(answer) {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Where it listens. */
export const addressOf = (server) => `http://127.0.0.1:${server.address().port}`;

/**
 * Looks again and again until it is so, and returns what was seen then. A file that is not
 * there yet, or amid being exchanged, is looked for again.
 */
export async function eventually(what, look, deadlineMs = 60_000) {
  const until = Date.now() + deadlineMs;
  for (;;) {
    try {
      const seen = await look();
      if (seen) {
        return seen;
      }
    } catch (error) {
      if (error.code !== 'ENOENT') {
        throw error;
      }
    }
    assert.ok(Date.now() < until, `${what} within ${deadlineMs} ms`);
    // waits: between two looks
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
