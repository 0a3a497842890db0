/** The commands in a document. */

/** The fenced blocks of a document in one language, without the fences and, within lists, without the indentation. */
export function blocksOf(markdown: string, language: string): readonly string[] {
  const blocks = markdown.matchAll(new RegExp(`^( *)\`\`\`${language}\\n([\\s\\S]*?)^\\1\`\`\``, 'gm'));
  return [...blocks].map(([, indent = '', block = '']) => block.replaceAll(new RegExp(`^${indent}`, 'gm'), ''));
}

/** The commands of a shell block, in order and unchanged. A here-document, a loop and lines that end in a backslash are one command. */
export function commandsOf(block: string): readonly string[] {
  const commands: string[] = [];
  let begun: string[] = [];
  /** The text that ends the current command, if it is not the end of the line. */
  let until: RegExp | undefined;
  for (const line of block.split('\n')) {
    if (begun.length === 0 && (line.trim() === '' || line.startsWith('#'))) continue;
    begun.push(line);
    if (begun.length === 1) {
      const end = /<<'(\w+)'/.exec(line)?.[1];
      if (end !== undefined) until = new RegExp(`^${end}$`);
      else if (line.startsWith('for ')) until = /^done$/;
    }
    if (until === undefined ? line.endsWith('\\') : !until.test(line)) continue;
    commands.push(begun.join('\n'));
    begun = [];
    until = undefined;
  }
  return commands;
}

/** The first line of a command, without its comment: its name in a list. */
export function nameOf(command: string): string {
  return (command.split('\n')[0] ?? '').replace(/\s+# .*$/, '').trim();
}

/** The commands within the prose of a document, as `code`. */
export function mentionedIn(markdown: string): readonly string[] {
  const prose = markdown.replaceAll(/^( *)```[\s\S]*?^\1```/gm, '').replaceAll(/<!-- settings[\s\S]*?<!-- end of settings -->/g, '');
  return [...prose.matchAll(/`([^`\n]+)`/g)]
    .map(([, code = '']) => code)
    .filter((code) => /^([A-Z][A-Z0-9_]*=\S+ )*(npm|npx|node|docker|kubectl|curl) \S/.test(code));
}
