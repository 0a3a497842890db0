/**
 * A Good Uncle client for browsers, to copy and change. It stays connected in hidden tabs: browsers slow their timers down to one a minute
 * there, so the server's own beat, which arrives as a message, is what makes this client send its character.
 *
 *   const shop = new GoodUncle('ws://127.0.0.1:5404', { onState: (state) => console.log(state) });
 *   shop.login('5551234567', await sha256('secret'));
 *   shop.subscribe({ topic: 'products', criteria: { category: 'A' } }, (rows) => console.log(rows));
 *   await shop.request({ type: 'create', topic: 'products', params: { name: 'Pie' } });
 */
const BEAT_MS = 300;
const ANSWER_MS = 250;
const FAULTY_MS = 1000;
const DEAD_MS = 3000;
const LONGEST_WAIT_MS = 10_000;

export class GoodUncle {
  #url;
  #onState;
  #socket;
  #state = 'closed';
  #heardAt = 0;
  #sentAt = 0;
  #timer;
  #attempts = 0;
  #refs = 0;
  #login;
  #asked = new Map();
  #subscriptions = new Map();
  #ended = false;

  /** @param onState told of `connecting`, `open`, `faulty` (nothing heard for a second) and `closed` */
  constructor(url, { onState = () => {} } = {}) {
    this.#url = url;
    this.#onState = onState;
    this.#connect();
  }

  /** Logs in, now and after every reconnection. The password goes as its SHA-256, in hex. */
  login(user, password) {
    this.#login = { type: 'upgrade', user, password };
    return this.request(this.#login);
  }

  /** Resolves with all answers to a request; rejects when the connection ends first, since answers to it never come then. */
  request(request) {
    return new Promise((resolve, reject) => {
      this.#refs += 1;
      const ref = `r${this.#refs}`;
      this.#asked.set(ref, { request: { ...request, ref }, answers: [], resolve, reject, sent: false });
      this.#sendWaiting();
    });
  }

  /** Keeps the rows of a query: `onRows` gets all of them whenever they change. Returns how to end it. */
  subscribe(query, onRows, onEnd = () => {}) {
    this.#refs += 1;
    const id = `s${this.#refs}`;
    this.#subscriptions.set(id, { query, onRows, onEnd, rows: [], synced: false });
    if (this.#socket?.readyState === WebSocket.OPEN) this.#startSubscription(id);
    return () => {
      if (this.#subscriptions.delete(id)) void this.request({ type: 'unsubscribe', subscription: id }).catch(() => {});
    };
  }

  close() {
    this.#ended = true;
    clearInterval(this.#timer);
    this.#socket?.close(1000);
  }

  #connect() {
    this.#become('connecting');
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#heardAt = Date.now();
    socket.onopen = () => {
      this.#heard();
      this.#attempts = 0;
      this.#become('open');
      // Nothing survives a connection: roles and subscriptions are asked for again. An upgrade holds back what follows it.
      if (this.#login !== undefined && ![...this.#asked.values()].some(({ request }) => request.type === 'upgrade')) {
        void this.request(this.#login).catch(() => {});
      }
      this.#sendWaiting();
      for (const id of this.#subscriptions.keys()) this.#startSubscription(id);
    };
    socket.onmessage = ({ data }) => {
      this.#heard();
      // Inside the message handler, which no browser slows down.
      if (Date.now() - this.#sentAt >= ANSWER_MS) this.#beat();
      if (data.length > 1) this.#take(JSON.parse(data));
    };
    // The close event may never come: silence ends the connection too.
    socket.onclose = () => this.#lost(socket);
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#look(socket), BEAT_MS);
  }

  #look(socket) {
    const silence = Date.now() - this.#heardAt;
    if (silence > DEAD_MS) this.#lost(socket);
    else if (socket.readyState === WebSocket.OPEN) {
      this.#become(silence > FAULTY_MS ? 'faulty' : 'open');
      if (Date.now() - this.#sentAt >= ANSWER_MS) this.#beat();
    }
  }

  #heard() {
    this.#heardAt = Date.now();
    if (this.#state === 'faulty') this.#become('open');
  }

  #beat() {
    this.#sentAt = Date.now();
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send('`');
  }

  #lost(socket) {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    clearInterval(this.#timer);
    socket.onclose = null;
    socket.onmessage = null;
    socket.close();
    this.#become('closed');
    for (const [ref, { sent, reject }] of this.#asked) {
      if (!sent) continue;
      this.#asked.delete(ref);
      reject(new Error('the connection was lost'));
    }
    if (this.#ended) return;
    // Not all clients at once.
    const longest = Math.min(LONGEST_WAIT_MS, BEAT_MS * 2 ** this.#attempts);
    this.#attempts += 1;
    setTimeout(() => this.#connect(), Math.random() * longest);
  }

  #become(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#onState(state);
  }

  #sendWaiting() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    for (const asked of this.#asked.values()) {
      if (asked.sent) continue;
      asked.sent = true;
      this.#socket.send(JSON.stringify(asked.request));
    }
  }

  #startSubscription(id) {
    const subscription = this.#subscriptions.get(id);
    subscription.rows = [];
    subscription.synced = false;
    this.#socket.send(JSON.stringify({ ...subscription.query, type: 'subscribe', subscription: id }));
  }

  #take({ request, response }) {
    const { payload } = request;
    if (payload?.type === 'subscribe') {
      this.#event(payload.subscription, response);
      return;
    }
    const asked = this.#asked.get(payload?.ref);
    if (asked === undefined) return;
    asked.answers.push(response);
    if (response.last !== true) return;
    this.#asked.delete(payload.ref);
    asked.resolve(asked.answers);
  }

  #event(id, response) {
    const subscription = this.#subscriptions.get(id);
    if (subscription === undefined) return;
    if (response.code !== 'ok') {
      this.#subscriptions.delete(id);
      subscription.onEnd(response);
      return;
    }
    const { event, payload, position } = response;
    const { rows } = subscription;
    if (event !== undefined) {
      const known = rows.findIndex((row) => row.id === payload.id);
      if (known !== -1) rows.splice(known, 1);
      const gone = event === 'match dropped' || event === 'match deleted';
      if (!gone) rows.splice(position?.to ?? (known === -1 ? rows.length : known), 0, payload);
    }
    subscription.synced ||= response.synced === true;
    // Until then the rows are still coming in.
    if (subscription.synced) subscription.onRows([...rows]);
  }
}

/** The hex SHA-256 of a text. Browsers have it on https pages and on localhost only. */
export async function sha256(text) {
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
