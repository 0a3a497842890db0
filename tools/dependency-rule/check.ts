// Checks the dependency rules (.dependency-cruiser.cjs) on the working copy, and that every rule finds the violation planted for
// it in `fixture`: a check that no longer works (a parser that does not read TypeScript, a pattern that matches nothing) fails here.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const config = join(root, '.dependency-cruiser.cjs');
const roots = ['libs', 'services', 'packages', 'infra', 'tools', 'test', 'bench'];

type Violation = { readonly rule: string; readonly from: string; readonly to: string };

const rules = ruleNames();
const planted = cruise(join(import.meta.dirname, 'fixture'));
const missed = rules.filter((rule) => !planted.violations.some((violation) => violation.rule === rule));
// This file is only reachable by an import below an `await using`.
if (!planted.violations.some(({ from }) => from.endsWith('edge-kit/src/reached.ts'))) missed.push('(imports below "await using")');
const found = cruise(root);

for (const rule of missed) console.error(`The rule ${rule} does not find the violation planted for it.`);
for (const { rule, from, to } of found.violations) console.error(`${rule}: ${from} must not import ${to}`);
if (missed.length > 0 || found.violations.length > 0) process.exit(1);
console.log(`${rules.length} rules hold for ${found.modules} modules; each found its planted violation.`);

function cruise(folder: string): { modules: number; violations: Violation[] } {
  const program = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
  const folders = roots.filter((name) => existsSync(join(folder, name)));
  const result = spawnSync(process.execPath, [program, '--config', config, '--output-type', 'json', ...folders], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
  });
  // The exit code is the number of violations, so only a missing report means that the program failed.
  if (!result.stdout.startsWith('{')) throw new Error(`dependency-cruiser failed: ${result.stderr}${result.stdout}`);
  const report: { summary: { totalCruised: number; violations: { rule: { name: string }; from: string; to: string }[] } } = JSON.parse(
    result.stdout,
  );
  return {
    modules: report.summary.totalCruised,
    violations: report.summary.violations.map(({ rule, from, to }) => ({ rule: rule.name, from, to })),
  };
}

function ruleNames(): string[] {
  const { forbidden }: { forbidden: { name: string }[] } = createRequire(import.meta.url)(config);
  return forbidden.map(({ name }) => name);
}
