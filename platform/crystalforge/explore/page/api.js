/* Questions to the server. A newer question of a kind makes the older one void. */

const running = new Map();

/** An error whose message is for the user. */
export class ServerError extends Error {}

/** JSON from an address; null if a newer question of the same kind came meanwhile. */
export async function ask(kind, path, parameters = new URLSearchParams()) {
  running.get(kind)?.abort();
  const abort = new AbortController();
  running.set(kind, abort);
  const query = parameters.toString();
  let response;
  try {
    response = await fetch(query ? `${path}?${query}` : path, { signal: abort.signal });
  } catch (error) {
    if (error.name === "AbortError") return null;
    throw new ServerError("No answer: has `platform explore` been stopped?");
  }
  const answer = await response.json().catch(() => ({ error: `The server answered ${response.status}.` }));
  if (abort.signal.aborted) return null;
  if (!response.ok) throw new ServerError(answer.error);
  return answer;
}
