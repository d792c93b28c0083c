/** HTTP: the library's binary, the listening server, answers that come later, problem documents. */

export { Flight, Flights } from './flights.ts'
export { endWith, endWithoutBody, sendProblem, statusLine } from './problem.ts'
export {
  type Address,
  assertPortFree,
  type Handler,
  listen,
  type Route,
  type Server,
  type ServerOptions,
} from './server.ts'
export { type Library, type LoadedLibrary, loadLibrary } from './uws.ts'
export type { HttpRequest, HttpResponse } from 'uWebSockets.js'
