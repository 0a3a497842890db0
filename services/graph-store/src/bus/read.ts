/** Answers reads of elements, their history, time series and blobs. */
import { graphGet, graphHistory, graphQuery, graphReadChunk, graphValues, graphWriteChunk } from '@polyedge/contracts/bus/graph';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import type { Bus, RequestContext, Responder } from '@polyedge/service-kit/bus';
import type { Blobs } from '../postgres/blobs.ts';
import type { Reader } from '../postgres/read.ts';
import type { Series } from '../postgres/series.ts';

export function answerReads(
  bus: Bus,
  { reader, blobs, series }: { readonly reader: Reader; readonly blobs: Blobs; readonly series: Series },
): Responder[] {
  const inTenant = async <T>({ tenant }: RequestContext, answer: (tenant: string) => Promise<Outcome<T>>): Promise<Outcome<T>> =>
    tenant === undefined ? failed('invalid', 'no tenant') : await answer(tenant);
  return [
    bus.respond(graphGet, (request, context) => inTenant(context, (tenant) => reader.before(context.deadline).get(tenant, request))),
    bus.respond(graphQuery, (request, context) => inTenant(context, (tenant) => reader.before(context.deadline).query(tenant, request))),
    bus.respond(graphHistory, (request, context) =>
      inTenant(context, (tenant) => reader.before(context.deadline).history(tenant, request)),
    ),
    bus.respond(graphValues, (request, context) => inTenant(context, (tenant) => series.before(context.deadline).values(tenant, request))),
    bus.respond(graphWriteChunk, (request, context) => inTenant(context, (tenant) => blobs.writeChunk(tenant, request, context.deadline))),
    bus.respond(graphReadChunk, (request, context) => inTenant(context, (tenant) => blobs.readChunk(tenant, request, context.deadline))),
  ];
}
