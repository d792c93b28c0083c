/** The talk's own figures, of its own machines and its own data: history, not something to compare with. Slides of section 5. */

export const TALK = '"Large Django sites at Mozilla", Andy McKay'

export const talkFigures = [
  { what: 'old PHP', rate: 550 },
  { what: 'Python, v5', rate: 700 },
  { what: 'upgraded hardware', rate: 1_000 },
  { what: 'Rob Hudson', rate: 1_200 },
] as const
