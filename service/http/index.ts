/** HTTP: the library's binary, the listening server, answers that come later, problem documents. */

export type { HttpResponse } from 'uWebSockets.js'
export type { Flight, Flights } from './flights.ts'
export { endWithoutBody, sendProblem, statusLine } from './problem.ts'
export { type Address, findAddress, type Handler, listen, type Route } from './server.ts'
export { type Library, loadLibrary } from './uws.ts'
