declare module 'addons-moz-compare' {
  /** Compares two add-on versions as the toolkit does: negative, 0 or positive. */
  export function mozCompare(one: string, other: string): number
}
