/** SPACE: services with their pricings, contracts, what was used of them; and, where the page reaches space-edge, what is done with them. */
import { useState } from 'preact/hooks';
import type { ContractView, PricingView, ServiceView, SpaceView } from '../src/http/space.ts';
import { count } from './format.ts';
import { Confirm, ElementLink, Empty, Panel, Problem, Table, Tag, useAnswer } from './parts.tsx';
import { callSpace, inOrganization } from './space-calls.ts';
import { Contract, type EditedContract } from './space-contract.tsx';
import { Archive, Upload, type UploadedTo, type Version } from './space-forms.tsx';

/** Other clients and jobs change contracts as well, such as those that an archived pricing moves. */
const EVERY_MS = 5000;

/** The form that is open. */
type OpenForm =
  | { readonly form: 'upload'; readonly service: UploadedTo | undefined }
  | { readonly form: 'archive'; readonly archived: Version }
  | { readonly form: 'contract'; readonly contract: EditedContract | undefined };

/** A call that needs nothing else but, mostly, a confirmation. */
interface SpaceAction {
  readonly name: string;
  readonly question?: string;
  readonly said: string;
  readonly method: 'PUT' | 'DELETE';
  readonly path: string;
}

/** What the rows can do; undefined where the page does not reach space-edge. */
interface Doing {
  open(opened: OpenForm): void;
  ask(action: SpaceAction): void;
}

/** @param props.space where browsers reach space-edge; without it everything is shown and nothing can be changed */
export function Space({ space }: { readonly space: string | undefined }) {
  const [text, setText] = useState('');
  const [opened, setOpened] = useState<OpenForm>();
  const [asked, setAsked] = useState<SpaceAction>();
  const [said, setSaid] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const { answer, reload } = useAnswer<SpaceView>(`/api/space?${new URLSearchParams({ text })}`, EVERY_MS);

  const done = (sentence: string) => {
    setProblem(undefined);
    setSaid(sentence);
    reload();
  };
  const carryOut = async (action: SpaceAction) => {
    setAsked(undefined);
    if (space === undefined) return;
    const outcome = await callSpace(space, action.method, action.path, action.method === 'PUT' ? {} : undefined);
    if (outcome.ok) done(action.said);
    else setProblem(outcome.message);
  };
  const doing: Doing | undefined =
    space === undefined
      ? undefined
      : {
          open: (one) => {
            setSaid(undefined);
            setProblem(undefined);
            setOpened(one);
            scrollTo({ top: 0 });
          },
          ask: (action) => (action.question === undefined ? void carryOut(action) : setAsked(action)),
        };
  // Another form may have been opened since.
  const close = () => setOpened((now) => (now === opened ? undefined : now));
  const form = {
    onDone: (sentence: string) => {
      close();
      done(sentence);
    },
    onCancel: close,
    onLateProblem: setProblem,
  };
  return (
    <>
      <div class="head">
        <h1>SPACE</h1>
        <button type="button" class="push" onClick={reload}>
          Refresh
        </button>
        {doing === undefined ? null : (
          <>
            <button type="button" onClick={() => doing.open({ form: 'upload', service: undefined })}>
              New service
            </button>
            <button type="button" class="primary" onClick={() => doing.open({ form: 'contract', contract: undefined })}>
              New contract
            </button>
          </>
        )}
      </div>
      <Problem message={problem} />
      {said === undefined ? null : (
        <p class="hint" role="status">
          {said}
        </p>
      )}
      {space === undefined || opened === undefined ? null : opened.form === 'upload' ? (
        <Upload key={opened.service?.id} space={space} service={opened.service} {...form} />
      ) : opened.form === 'archive' ? (
        <Archive key={JSON.stringify(opened.archived)} space={space} archived={opened.archived} {...form} />
      ) : (
        <Contract key={opened.contract?.user} space={space} contract={opened.contract} {...form} />
      )}
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label>
          Service or user
          <input onChange={(event) => setText(event.currentTarget.value)} />
        </label>
      </form>
      {answer === undefined ? (
        <Empty>Loading …</Empty>
      ) : !answer.ok ? (
        <Problem message={answer.message} />
      ) : (
        <Shown {...answer.value} doing={doing} />
      )}
      {asked === undefined ? null : (
        <Confirm question={asked.question ?? ''} action={asked.name} onYes={() => void carryOut(asked)} onNo={() => setAsked(undefined)} />
      )}
    </>
  );
}

const Shown = ({ services, contracts, more, doing }: SpaceView & { readonly doing: Doing | undefined }) => (
  <>
    <Panel title="Services" aside={<span class="faint">{more.services ? `the newest ${services.length}` : services.length}</span>}>
      {services.length === 0 ? (
        <Empty>No service fits. A pricing that is uploaded makes one.</Empty>
      ) : (
        <Services services={services} doing={doing} />
      )}
    </Panel>
    <Panel title="Contracts" aside={<span class="faint">{more.contracts ? `the newest ${contracts.length}` : contracts.length}</span>}>
      {contracts.length === 0 ? <Empty>No contract fits.</Empty> : <Contracts contracts={contracts} doing={doing} />}
    </Panel>
  </>
);

const Services = ({ services, doing }: { readonly services: readonly ServiceView[]; readonly doing: Doing | undefined }) => (
  <Table label="Services">
    <thead>
      <tr>
        <th scope="col">Service</th>
        <th scope="col">Active pricings</th>
        <th scope="col">Archived pricings</th>
        <th scope="col">Organization</th>
        {doing === undefined ? null : <th scope="col">Actions</th>}
      </tr>
    </thead>
    <tbody>
      {services.map((service) => (
        <tr key={service.id}>
          <th scope="row" class="wide">
            <ElementLink id={service.id}>{service.name}</ElementLink> {service.disabled ? <Tag kind="bad">disabled</Tag> : null}
          </th>
          <td class="wide">
            <Pricings service={service} pricings={service.active} doing={service.disabled ? undefined : doing} />
          </td>
          <td class="wide">
            <Pricings service={service} pricings={service.archived} isArchived doing={service.disabled ? undefined : doing} />
          </td>
          <td class="mono wide">{service.organization}</td>
          {doing === undefined ? null : (
            <td class="actions">
              <button type="button" onClick={() => doing.open({ form: 'upload', service })}>
                {service.disabled ? 'Enable by a new pricing' : 'New pricing'}
              </button>
              {service.disabled ? null : (
                <button
                  type="button"
                  onClick={() =>
                    doing.ask({
                      name: 'Disable service',
                      question: `Disable ${service.name}? It is taken out of all contracts. A new pricing enables it again.`,
                      said: `${service.name} is disabled.`,
                      method: 'DELETE',
                      path: inOrganization(service.organization, 'services', service.name),
                    })
                  }
                >
                  Disable
                </button>
              )}
            </td>
          )}
        </tr>
      ))}
    </tbody>
  </Table>
);

interface PricingsProps {
  readonly service: ServiceView;
  readonly pricings: readonly PricingView[];
  readonly isArchived?: boolean;
  readonly doing: Doing | undefined;
}

const Pricings = ({ service: { name, organization }, pricings, isArchived = false, doing }: PricingsProps) =>
  pricings.length === 0 ? (
    <span class="faint">none</span>
  ) : (
    <ul class="inline">
      {pricings.map(({ version, id, url }) => {
        const path = inOrganization(organization, 'services', name, 'pricings', version);
        return (
          <li key={version}>
            {id === '' ? version : <ElementLink id={id}>{version}</ElementLink>} {url === undefined ? null : <Tag>remote</Tag>}{' '}
            {doing === undefined ? null : isArchived ? (
              <>
                <button
                  type="button"
                  aria-label={`Activate ${name} ${version}`}
                  onClick={() =>
                    doing.ask({
                      ...{ name: 'Activate', said: `${name} ${version} is active.`, method: 'PUT' },
                      path: `${path}?availability=active`,
                    })
                  }
                >
                  Activate
                </button>{' '}
                <button
                  type="button"
                  aria-label={`Delete ${name} ${version}`}
                  onClick={() =>
                    doing.ask({
                      name: 'Delete pricing',
                      question: `Delete ${name} ${version}? Only its history stays.`,
                      ...{ said: `${name} ${version} is deleted.`, method: 'DELETE', path },
                    })
                  }
                >
                  Delete
                </button>
              </>
            ) : (
              <button
                type="button"
                aria-label={`Archive ${name} ${version}`}
                onClick={() => doing.open({ form: 'archive', archived: { organization, service: name, version } })}
              >
                Archive
              </button>
            )}
          </li>
        );
      })}
    </ul>
  );

const Contracts = ({ contracts, doing }: { readonly contracts: readonly ContractView[]; readonly doing: Doing | undefined }) => (
  <Table label="Contracts">
    <thead>
      <tr>
        <th scope="col">User</th>
        <th scope="col">Subscription</th>
        <th scope="col">Billing period</th>
        <th scope="col">Usage</th>
        {doing === undefined ? null : <th scope="col">Actions</th>}
      </tr>
    </thead>
    <tbody>
      {contracts.map((contract) => {
        const { id, user, services, startDate, endDate, autoRenew, usage } = contract;
        return (
          <tr key={id}>
            <th scope="row" class="wide">
              <ElementLink id={id}>{user}</ElementLink>
            </th>
            <td class="wide">
              {services.map(({ name, version, plan, addOns }) => (
                <div key={name}>
                  <b>{name}</b> {version} <Tag kind="info">{plan === '' ? 'no plan' : plan}</Tag>{' '}
                  <span class="faint">
                    {Object.entries(addOns)
                      .map(([addOn, quantity]) => `${addOn} × ${quantity}`)
                      .join(', ')}
                  </span>
                </div>
              ))}
            </td>
            <td>
              {day(startDate)} to {day(endDate)} {autoRenew ? <Tag kind="good">renews</Tag> : null}
            </td>
            <td class="wide">
              {usage.length === 0 ? <span class="faint">nothing is counted</span> : null}
              {usage.map(({ limit, consumed, renewsOn }) => (
                <div key={limit}>
                  {limit}: <b>{count(consumed)}</b> {renewsOn === undefined ? null : <span class="faint">until {day(renewsOn)}</span>}
                </div>
              ))}
            </td>
            {doing === undefined ? null : <ContractActions contract={contract} doing={doing} />}
          </tr>
        );
      })}
    </tbody>
  </Table>
);

const ContractActions = ({ contract, doing }: { readonly contract: ContractView; readonly doing: Doing }) => {
  const { user, organization, services } = contract;
  const chosen = services.map(({ name, ...rest }) => ({ service: name, ...rest }));
  return (
    <td class="actions">
      <button type="button" onClick={() => doing.open({ form: 'contract', contract: { user, organization, chosen } })}>
        Change
      </button>
      <button
        type="button"
        onClick={() =>
          doing.ask({
            name: 'Reset usage',
            question: `Set all usage of ${user} to zero, also what does not renew?`,
            said: `The usage of ${user} is zero.`,
            method: 'PUT',
            path: `/contracts/${encodeURIComponent(user)}/usageLevels?reset=true&renewableOnly=false`,
          })
        }
      >
        Reset usage
      </button>
      <button
        type="button"
        onClick={() =>
          doing.ask({
            name: 'Delete contract',
            question: `Delete the contract of ${user}? Every evaluation of this user is refused then. What it was stays in the history.`,
            said: `The contract of ${user} is deleted.`,
            method: 'DELETE',
            path: inOrganization(organization, 'contracts', user),
          })
        }
      >
        Delete
      </button>
    </td>
  );
};

const day = (time: string): string => (time === '' ? '–' : time.slice(0, 10));
