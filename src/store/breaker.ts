// When is a store that keeps failing left alone? After some failures in a row nothing is asked for a while, so that
// nobody waits; then one question at a time goes through as a trial, until one is answered.
// Policy only: it neither asks nor waits.

export interface BreakerOptions {
  /** So many failures in a row open it. */
  readonly failures: number;
  /** How long nothing is asked, and the least time between two trials. */
  readonly openMs: number;
  /** Ms, of a clock that does not step back. */
  readonly now: () => number;
  /** Told once for each opening and closing. */
  readonly onChange: (open: boolean) => void;
}

export interface Breaker {
  isOpen(): boolean;
  /** A ticket to hand in with the outcome; 0: leave the store alone. */
  admit(): number;
  succeeded(ticket: number): void;
  failed(ticket: number): void;
}

export function createBreaker({ failures, openMs, now, onChange }: BreakerOptions): Breaker {
  let open = false;
  let inARow = 0;
  let trialAt = 0;
  // The ticket of this state. Outcomes of questions from an earlier state come late and say nothing about this one.
  let current = 1;

  function change(to: boolean): void {
    open = to;
    inARow = 0;
    current++;
    onChange(to);
  }

  return {
    isOpen: () => open,
    admit() {
      if (!open) return current;
      if (now() < trialAt) return 0;
      trialAt = now() + openMs;
      return ++current;
    },
    succeeded(ticket) {
      if (ticket !== current) return;
      if (open) change(false);
      else inARow = 0;
    },
    failed(ticket) {
      if (ticket !== current || open || ++inARow < failures) return;
      trialAt = now() + openMs;
      change(true);
    },
  };
}
