/** What one driver counts; the metrics endpoint reads it. Numbers only: never an id, a tenant or an address. */
export interface DriverCounts {
  opened: number;
  closed: number;
  /** Messages received and taken. */
  framesIn: number;
  /** Bytes of messages and of what could not be read. */
  bytesIn: number;
  /** Messages the protocol could not read. */
  undecodable: number;
  /** Frames that sessions sent. */
  framesOut: number;
  /** Frames that the broadcaster queued, one per socket. */
  laneFrames: number;
  /** Frames of groups. */
  groupFrames: number;
  /** Members of groups that were closed because they did not confirm what they were sent. */
  unconfirmedCloses: number;
  /** Members of groups whose frames count as delivered when they were written: a weaker promise. */
  writtenInsteadOfConfirmed: number;
  /** Exceptions in protocol code: each one is a bug. */
  bugs: number;
  /** Failures of ours that clients were told the names of. */
  incidents: number;
  /** Connections that met the slow-client rule. */
  slowClients: number;
  /** Times a connection was held back or closed for its rate. */
  overRate: number;
  /** Answers that did not wait any longer for the events of their own write, and holds that were given up because they grew too long. */
  ownOrderGivenUp: number;
  idleCloses: number;
  authenticationTimeouts: number;
  /** Sessions that had not finished when the time to drain was over. */
  drainTimeouts: number;
  /** Events a session published that the bus refused for their size. */
  unpublished: number;
}

export const newDriverCounts = (): DriverCounts => ({
  opened: 0,
  closed: 0,
  framesIn: 0,
  bytesIn: 0,
  undecodable: 0,
  framesOut: 0,
  laneFrames: 0,
  groupFrames: 0,
  unconfirmedCloses: 0,
  writtenInsteadOfConfirmed: 0,
  bugs: 0,
  incidents: 0,
  slowClients: 0,
  overRate: 0,
  ownOrderGivenUp: 0,
  idleCloses: 0,
  authenticationTimeouts: 0,
  drainTimeouts: 0,
  unpublished: 0,
});
