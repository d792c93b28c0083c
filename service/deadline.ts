/** Deadlines of statements and questions, by which a process that stood still doesn't judge others. */

/**
 * Calls `expire` after `ms`, unless it is cancelled by what is returned. What has arrived meanwhile is read first: after a pause of
 * this process timers are due before sockets are read, and every answer that lies there would seem to be late.
 */
export function startDeadline(ms: number, expire: () => void): () => void {
  let afterReading: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    afterReading = setImmediate(expire)
  }, ms)
  timer.unref()
  return () => {
    clearTimeout(timer)
    clearImmediate(afterReading)
  }
}
