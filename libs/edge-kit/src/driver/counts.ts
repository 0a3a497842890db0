/** The counters of one driver, read by the metrics endpoint. Numbers only: never an id, a tenant or an address. */
export interface DriverCounts {
  opened: number;
  closed: number;
  /** Messages received and accepted. */
  framesIn: number;
  /** Bytes of messages, including undecodable ones. */
  bytesIn: number;
  /** Messages that the protocol could not decode. */
  undecodable: number;
  /** Frames that sessions sent. */
  framesOut: number;
  /** Frames that the broadcaster queued, one per socket. */
  laneFrames: number;
  /** Frames of groups. */
  groupFrames: number;
  /** Group members whose connections were closed because they did not confirm deliveries. */
  unconfirmedCloses: number;
  /** Group members whose frames count as delivered once written, which is a weaker guarantee. */
  writtenInsteadOfConfirmed: number;
  /** Exceptions in protocol code. Each one is a bug. */
  bugs: number;
  /** Internal failures that clients saw only the names of. */
  incidents: number;
  /** Connections to which the slow-client rule was applied. */
  slowClients: number;
  /** How often a connection was throttled or closed for its rate. */
  overRate: number;
  /** Answers sent without waiting longer for the events of their own write, and held-back events released because there were too many. */
  ownOrderGivenUp: number;
  idleCloses: number;
  authenticationTimeouts: number;
  /** Sessions that were still open at the end of the drain time. */
  drainTimeouts: number;
  /** Published events that the bus rejected for their size. */
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
