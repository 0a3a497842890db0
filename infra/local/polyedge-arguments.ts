/** What the command line of `polyedge` may say. */
import { parseArgs } from 'node:util';

const OPTIONS = {
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
  type: { type: 'string' },
  id: { type: 'string' },
  protocol: { type: 'string' },
  actor: { type: 'string' },
  count: { type: 'string' },
  to: { type: 'string' },
  seconds: { type: 'string', default: '5' },
  writers: { type: 'string', default: '8' },
} as const;

/** The commands: how many words follow each at most, and its options besides `--json` and `--help`. */
const COMMANDS: Readonly<Record<string, { readonly words: number; readonly options: readonly string[] }>> = {
  status: { words: 0, options: [] },
  tail: { words: 0, options: ['type', 'id', 'protocol', 'actor', 'count'] },
  get: { words: 1, options: [] },
  groups: { words: 0, options: [] },
  accounts: { words: 0, options: [] },
  token: { words: 0, options: [] },
  tenants: { words: 2, options: ['to'] },
  bench: { words: 0, options: ['seconds', 'writers'] },
};

/** Throws an error for the user if a known command is given what it does not take. */
export function readArguments(args: readonly string[]) {
  const { values, positionals, tokens } = parseArgs({ args: [...args], allowPositionals: true, tokens: true, options: OPTIONS });
  const [name = '', ...words] = positionals;
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined || values.help) return { values, positionals };
  const surplus = words[command.words];
  if (surplus !== undefined) throw new Error(`${name} does not take "${surplus}"`);
  const given = tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : []));
  const foreign = given.find((option) => option !== 'json' && !command.options.includes(option));
  if (foreign !== undefined) throw new Error(`${name} has no option --${foreign}`);
  if (values.count !== undefined && !/^[1-9]\d{0,8}$/.test(values.count)) throw new Error('--count is a whole number from 1 on');
  return { values, positionals };
}
