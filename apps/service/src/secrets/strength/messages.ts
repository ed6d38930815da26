// What goes between the service and the thread that estimates.

/** What is behind counts nothing: it could only make a value stronger, and takes time. */
export const ESTIMATED_CHARACTERS_MAX = 100;

export interface Estimate {
  /** Decimal logarithm of the guesses that somebody needs who knows what people choose. */
  readonly guessesLog10: number;
  readonly score: 0 | 1 | 2 | 3 | 4;
  readonly warning: string | null;
  readonly suggestions: readonly string[];
}
