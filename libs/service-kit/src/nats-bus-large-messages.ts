/**
 * Makes the NATS library collect a message that arrives in several pieces in one buffer of its size. It would use one that doubles: for a
 * megabyte, 3.6 megabytes in five buffers, each filled with zeros and then copied.
 */
import { Parser } from '@nats-io/transport-node';

const { parse } = Parser.prototype;

Parser.prototype.parse = function parseWithRoom(this: Parser, bytes: Uint8Array): void {
  const { msgBuf } = this;
  Reflect.apply(parse, this, [bytes]);
  const begun = this.msgBuf;
  if (begun !== undefined && begun !== msgBuf && begun.length < this.ma.size) begun.grow(this.ma.size - begun.length);
};
