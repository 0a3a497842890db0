/**
 * What services use of `node:http`. An `import` of that module reads all its exports, among them the client's `WebSocket`, and thereby loads
 * undici: 25 ms of CPU in the start of each service, few of which use it.
 */
export const { createServer, STATUS_CODES } = process.getBuiltinModule('node:http');
