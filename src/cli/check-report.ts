// How does `forebay check` say what it found? For people a line each, that begins with the place, so that editors find it;
// for machines one JSON object.

import { styleText } from "node:util";
import { type Finding, findingText } from "../config/mistakes.ts";
import type { Ruled } from "./lint/allowances.ts";
import { plain, plainJson } from "./terminal.ts";

export interface Report {
  /** undefined: no file was read. */
  readonly file: string | undefined;
  /** The exit code is 0. */
  readonly ok: boolean;
  readonly routes: number;
  readonly mistakes: readonly (Finding & { readonly rule?: string })[];
  readonly warnings: readonly Ruled[];
  readonly tests: readonly TestReport[];
  /** Who could not be asked, and why. */
  readonly notes: readonly string[];
}

interface TestReport {
  readonly name: string;
  /** Where the test stands. */
  readonly place: Finding;
  readonly failures: readonly Finding[];
}

type Style = Parameters<typeof styleText>[0];
type Paint = (style: Style, text: string) => string;

const MAX_LINES = 100;

/** Ends with a newline. */
export function textReport(report: Report, coloured: boolean): string {
  const paint: Paint = (style, text) => (coloured ? styleText(style, text, { validateStream: false }) : text);
  const { mistakes, warnings, tests, notes } = report;
  const lines = [
    ...capped(
      mistakes.map((finding) => findingLine(finding, paint, "red")),
      "mistakes",
    ),
    ...capped(
      warnings.map((finding) => findingLine(finding, paint, "yellow")),
      "warnings",
    ),
    ...tests.flatMap((test) => testLines(test, paint)),
    ...notes.map((note) => paint("dim", `note: ${note}`)),
    summary(report, paint),
  ];
  return `${lines.join("\n")}\n`;
}

/** The lines and columns are 0 where something stands in no file. */
export function jsonReport({
  file = null,
  ok,
  routes,
  mistakes,
  warnings,
  tests,
  notes,
}: Omit<Report, "file"> & { file?: string | null | undefined }): string {
  const placed = ({ line, column, path, text, rule }: Finding & { readonly rule?: string }) => {
    return { line, column, path, rule: rule ?? "configuration", text };
  };
  const told = tests.map(({ name, place, failures }) => {
    const [first] = failures;
    const said = { ...placed(first ?? place), rule: "route-test", text: first?.text ?? "" };
    return {
      name,
      ok: first === undefined,
      ...said,
      failures: failures.map(({ line, column, path, text }) => ({ line, column, path, text })),
    };
  });
  const object = {
    file,
    ok,
    routes,
    mistakes: mistakes.map(placed),
    warnings: warnings.map(placed),
    tests: told,
    notes,
  };
  return plainJson(object);
}

function findingLine(finding: Finding & { readonly rule?: string }, paint: Paint, colour: Style): string {
  const whole = findingText(finding);
  const head = whole.slice(0, whole.length - finding.text.length);
  const rule = finding.rule === undefined ? "" : ` ${paint(colour, `[${finding.rule}]`)}`;
  return `${paint(["bold", colour] as Style, head.trimEnd())}${head.endsWith(" ") ? " " : ""}${finding.text}${rule}`;
}

function testLines({ name, failures }: TestReport, paint: Paint): string[] {
  if (failures.length === 0) return [`${paint("green", "✓")} ${plain(name)}`];
  return [
    `${paint("red", "✗")} ${plain(name)}`,
    ...failures.map((failure) => `  ${findingLine(failure, paint, "red")}`),
  ];
}

function capped(lines: readonly string[], what: string): string[] {
  const more = lines.length - MAX_LINES;
  return more > 0 ? [...lines.slice(0, MAX_LINES), `… and ${more} more ${what}`] : [...lines];
}

function summary({ file = "without a file", ok, routes, mistakes, warnings, tests }: Report, paint: Paint): string {
  const failed = tests.filter(({ failures }) => failures.length > 0).length;
  const counts = [
    mistakes.length > 0 ? counted(mistakes.length, "mistake") : counted(routes, "route"),
    ...(warnings.length > 0 ? [counted(warnings.length, "warning")] : []),
    ...(tests.length > 0
      ? [
          failed > 0
            ? `${failed} of ${counted(tests.length, "test")} failed`
            : `${counted(tests.length, "test")} passed`,
        ]
      : []),
  ];
  const verdict = ok ? paint("green", "good") : paint("red", mistakes.length > 0 ? "wrong" : "not good");
  return `${file}: ${verdict}, ${counts.join(", ")}`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
