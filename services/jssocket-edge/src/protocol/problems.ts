/** What can be wrong with an event: the reason of a client's close (1011), and what is logged about a core or publisher. */
export type Problem =
  | 'not UTF-8'
  | 'not a JSON object'
  | 'an event without a type'
  | 'the type of an event is a string'
  | 'the data of this event must be an object'
  | 'the data of this event has too many members'
  | 'a target must be a string';

/** Why a login that a core confirms puts the client into `public`; logged. */
export type GroupProblem = 'the user of client_connected must be a string' | 'the user of client_connected is too long';
