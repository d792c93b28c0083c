/** The herd at the full hour: a rate that halves. It is made of instances with a share of it each, which end one after the other. */

/**
 * How many seconds the instance at this part of all of them lives, from 0 to below 1: at second t, 2^(-t / halvesEveryS) of them
 * are left. autocannon wants whole seconds, one at the least.
 */
export function lifeOf(part: number, duration: number, halvesEveryS: number | undefined): number {
  if (halvesEveryS === undefined) return duration
  return Math.max(1, Math.min(duration, Math.round(-Math.log2(1 - part) * halvesEveryS)))
}
