// Which configuration is in use, and since when? GET /api/config: with its secrets left out, and with what went wrong when
// another one was to take its place.

/** What is shown. Times are ISO 8601. */
export interface ConfigStatus {
  /** How many there have been since the process began, this one included. */
  readonly generation: number;
  readonly since: string;
  /** null: there are flags alone. */
  readonly file: string | null;
  /** Keys that the file states otherwise than they are in use, because they cannot change while the process runs. */
  readonly needRestart: readonly string[];
  /** `standing`: the file is still that way, as far as is known. */
  readonly lastFailure: {
    readonly at: string;
    readonly standing: boolean;
    readonly mistakes: readonly string[];
  } | null;
  /** What is in use, without secrets. */
  readonly config: unknown;
}
