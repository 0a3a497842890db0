import { useEffect, useState } from 'preact/hooks';
import { type Answer, call } from './call.ts';
import { Form, type FormProps } from './form.tsx';
import { clock } from './format.ts';
import type { Me } from './me.ts';
import { Confirm, Empty, Panel, Problem, Table, Tag } from './parts.tsx';
import { rolesFrom } from './roles.ts';

interface Account {
  readonly id: string;
  readonly version?: number;
  readonly username: string;
  readonly roles: Readonly<Record<string, readonly string[]>>;
  readonly defaultScope: string;
  readonly scopes: readonly string[];
  readonly disabled: boolean;
  /** That count at present. `endsOn`: when they are forgotten. */
  readonly failedLogins?: { readonly failures: number; readonly endsOn: number; readonly blocked: boolean };
}

const EXAMPLE = 'gooduncle: customer';

const rolesText = (roles: Account['roles']) =>
  Object.entries(roles)
    .filter(([, names]) => names.length > 0)
    .map(([protocol, names]) => `${protocol}: ${names.join(', ')}`);

interface AccountPages {
  readonly accounts: readonly Account[];
  /** Where the next page begins, if there may be one. */
  readonly next?: string | undefined;
}

/** The accounts with a text in their names: the first page, and as many more as were asked for. */
function useAccounts(text: string) {
  const [known, setKnown] = useState<{ readonly text: string; readonly answer: Answer<AccountPages> }>();
  const [wanted, setWanted] = useState({ pages: 1, round: 0 });
  useEffect(() => {
    let isCurrent = true;
    void readPages(text, wanted.pages).then((got) => isCurrent && setKnown({ text, answer: got }));
    return () => {
      isCurrent = false;
    };
  }, [text, wanted]);
  return {
    answer: known?.text === text ? known.answer : undefined,
    reload: () => setWanted(({ pages, round }) => ({ pages, round: round + 1 })),
    more: () => setWanted(({ pages, round }) => ({ pages: pages + 1, round })),
    restart: () => setWanted({ pages: 1, round: 0 }),
  };
}

async function readPages(text: string, pages: number): Promise<Answer<AccountPages>> {
  const accounts: Account[] = [];
  let next: string | undefined = '';
  for (let page = 0; page < pages && next !== undefined; page += 1) {
    const got: Answer<AccountPages> = await call('GET', `/api/accounts?${new URLSearchParams({ text, after: next })}`);
    if (!got.ok) return got;
    accounts.push(...got.value.accounts);
    next = got.value.next;
  }
  return { ok: true, value: { accounts, next } };
}

type ConfirmedAction = { readonly what: 'revoke' | 'disable' | 'enable' | 'remove-keys'; readonly account: Account };

export function Accounts({ me }: { readonly me: Me }) {
  const [wanted, setWanted] = useState('');
  const { answer, reload, more, restart } = useAccounts(wanted);
  const [edited, setEdited] = useState<Account | 'new'>();
  const [asked, setAsked] = useState<ConfirmedAction>();
  const [problem, setProblem] = useState<string>();
  const [keys, setKeys] = useState<readonly { readonly username: string; readonly key: string }[]>([]);
  /** The account that a key is being made for. */
  const [making, setMaking] = useState<string>();
  const carryOut = async () => {
    if (asked === undefined) return;
    const { what, account } = asked;
    const at = `/api/accounts/${encodeURIComponent(account.id)}`;
    setAsked(undefined);
    const done =
      what === 'revoke'
        ? await call('POST', `${at}/revoke`)
        : what === 'remove-keys'
          ? await call('DELETE', `${at}/keys`)
          : await call('PUT', at, { disabled: what === 'disable' });
    setProblem(done.ok ? undefined : done.message);
    reload();
  };
  const forgive = async (account: Account) => {
    const done = await call('POST', `/api/accounts/${encodeURIComponent(account.id)}/forgive`);
    setProblem(done.ok ? undefined : done.message);
    reload();
  };
  const makeKey = async (account: Account) => {
    setMaking(account.id);
    const made = await call<{ readonly key: string }>('POST', `/api/accounts/${encodeURIComponent(account.id)}/keys`, {});
    setProblem(made.ok ? undefined : made.message);
    if (made.ok) setKeys((before) => [...before, { username: account.username, key: made.value.key }]);
    setMaking(undefined);
  };
  // Another form may have been opened since.
  const close = () => setEdited((now) => (now === edited ? undefined : now));
  const { accounts, next }: AccountPages = answer?.ok === true ? answer.value : { accounts: [] };
  return (
    <>
      <div class="head">
        <h1>Accounts</h1>
        {answer?.ok === true ? (
          <Tag>
            {next === undefined ? '' : 'the first '}
            {accounts.length}
          </Tag>
        ) : null}
        <button type="button" class="primary push" onClick={() => setEdited('new')}>
          New account
        </button>
      </div>
      <Problem message={problem} />
      {keys.map(({ username, key }) => (
        <div key={key} class="notice" role="status">
          <p>
            The new API key of {username}. It is shown only now: <code>{key}</code>
          </p>
          <button type="button" onClick={() => setKeys((before) => before.filter((one) => one.key !== key))}>
            I have kept it
          </button>
        </div>
      ))}
      {edited === undefined ? null : (
        <Edit
          key={edited === 'new' ? 'new' : edited.id}
          account={edited === 'new' ? undefined : edited}
          onDone={() => {
            close();
            setProblem(undefined);
            reload();
          }}
          onCancel={close}
          onLateProblem={setProblem}
        />
      )}
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label>
          User name contains
          <input
            onChange={(event) => {
              setWanted(event.currentTarget.value);
              restart();
            }}
          />
        </label>
      </form>
      <Panel title="Accounts">
        {answer === undefined ? (
          <Empty>Loading …</Empty>
        ) : !answer.ok ? (
          <Problem message={answer.message} />
        ) : accounts.length === 0 ? (
          <Empty>{next === undefined ? 'No account fits.' : 'No account fits so far.'}</Empty>
        ) : (
          <Table label="Accounts">
            <thead>
              <tr>
                <th scope="col">User</th>
                <th scope="col">Roles</th>
                <th scope="col">Data scopes</th>
                <th scope="col">Actions</th>
              </tr>
            </thead>
            <tbody>
              {accounts.map((one) => (
                <AccountRow
                  key={one.id}
                  account={one}
                  isOwn={one.id === me.account}
                  isMakingKey={making !== undefined}
                  onEdit={() => setEdited(one)}
                  onMakeKey={() => void makeKey(one)}
                  onForgive={() => void forgive(one)}
                  onAsk={(what) => setAsked({ what, account: one })}
                />
              ))}
            </tbody>
          </Table>
        )}
        {next === undefined ? null : (
          <p class="row">
            <button type="button" onClick={more}>
              More accounts
            </button>
          </p>
        )}
      </Panel>
      {asked === undefined ? null : <Confirm {...questionOf(asked)} onYes={() => void carryOut()} onNo={() => setAsked(undefined)} />}
    </>
  );
}

interface AccountRowProps {
  readonly account: Account;
  readonly isOwn: boolean;
  readonly isMakingKey: boolean;
  onEdit(): void;
  onMakeKey(): void;
  onForgive(): void;
  /** An action that has to be confirmed. */
  onAsk(what: ConfirmedAction['what']): void;
}

function AccountRow({ account, isOwn, isMakingKey, onEdit, onMakeKey, onForgive, onAsk }: AccountRowProps) {
  return (
    <tr>
      <th scope="row" class="wide">
        {account.username} {isOwn ? <Tag kind="info">you</Tag> : null} {account.disabled ? <Tag kind="bad">disabled</Tag> : null}
        {account.failedLogins === undefined ? null : <FailedLogins {...account.failedLogins} />}
      </th>
      <td class="wide">
        {rolesText(account.roles).map((line) => (
          <Tag key={line}>{line}</Tag>
        ))}
      </td>
      <td class="mono wide">
        {account.scopes.includes('*') ? 'all' : [account.defaultScope, ...account.scopes].filter((scope) => scope !== '').join(', ')}
      </td>
      <td class="actions">
        <button type="button" onClick={onEdit}>
          Edit
        </button>
        {account.roles.space === undefined ? null : (
          <>
            <button type="button" disabled={isMakingKey} onClick={onMakeKey}>
              New key
            </button>
            <button type="button" onClick={() => onAsk('remove-keys')}>
              Remove keys
            </button>
          </>
        )}
        {account.failedLogins === undefined ? null : (
          <button type="button" onClick={onForgive}>
            Forget failed logins
          </button>
        )}
        <button type="button" onClick={() => onAsk('revoke')}>
          Revoke
        </button>
        {isOwn ? null : (
          <button type="button" onClick={() => onAsk(account.disabled ? 'enable' : 'disable')}>
            {account.disabled ? 'Enable' : 'Disable'}
          </button>
        )}
      </td>
    </tr>
  );
}

const FailedLogins = ({ failures, endsOn, blocked }: NonNullable<Account['failedLogins']>) => (
  <Tag kind={blocked ? 'bad' : 'warn'}>
    {failures} failed {failures === 1 ? 'login' : 'logins'}
    {blocked ? `, blocked until ${clock(endsOn)}` : ''}
  </Tag>
);

function questionOf({ what, account: { username } }: ConfirmedAction): { readonly question: string; readonly action: string } {
  switch (what) {
    case 'revoke':
      return {
        question: `End every login of ${username}? All of its connections close, and its tokens are worth nothing.`,
        action: 'Revoke',
      };
    case 'disable':
      return { question: `Disable ${username}? It cannot log in until it is enabled again, and its connections close.`, action: 'Disable' };
    case 'enable':
      return { question: `Enable ${username}? It can log in again.`, action: 'Enable' };
    case 'remove-keys':
      return { question: `Take all API keys of ${username} away? Programs that use them are refused at once.`, action: 'Remove keys' };
  }
}

function Edit({ account, ...ends }: FormProps & { readonly account: Account | undefined }) {
  const submit = async (fields: FormData): Promise<Answer<unknown>> => {
    const text = (name: string) => String(fields.get(name) ?? '').trim();
    const roles = rolesFrom(text('roles'));
    if (roles === undefined) return { ok: false, status: 0, message: `Roles are written a protocol a line, such as ${EXAMPLE}` };
    const scopes = text('scopes')
      .split(/[\s,]+/)
      .filter((scope) => scope !== '');
    const password = String(fields.get('password') ?? '');
    const rest = { roles, scopes, ...(password === '' ? {} : { password }) };
    return account === undefined
      ? call('POST', '/api/accounts', { username: text('username'), ...rest })
      : call('PUT', `/api/accounts/${encodeURIComponent(account.id)}`, { ...rest, version: account.version });
  };
  return (
    <Form
      title={account === undefined ? 'New account' : account.username}
      action={account === undefined ? 'Create' : 'Save'}
      said="It is saved."
      {...{ submit, ...ends }}
    >
      {account === undefined ? (
        <label>
          User name
          <input name="username" required autocomplete="off" />
        </label>
      ) : null}
      <label>
        {account === undefined ? 'Password' : 'New password (leave it empty to keep the old one)'}
        <input name="password" type="password" minLength={8} required={account === undefined} autocomplete="new-password" />
      </label>
      <label>
        Roles, a protocol a line
        <textarea
          name="roles"
          rows={4}
          placeholder={EXAMPLE}
          defaultValue={account === undefined ? '' : rolesText(account.roles).join('\n')}
        />
      </label>
      <label>
        Data scopes besides its own; * stands for all
        <input name="scopes" defaultValue={account?.scopes.join(' ') ?? ''} />
      </label>
    </Form>
  );
}
