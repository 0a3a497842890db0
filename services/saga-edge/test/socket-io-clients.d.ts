// The older clients bring no types of their own.
declare module 'socket.io-client-2' {
  const io: (url: string, options: object) => unknown;
  export default io;
}
declare module 'socket.io-client-3' {
  export const io: (url: string, options: object) => unknown;
}
