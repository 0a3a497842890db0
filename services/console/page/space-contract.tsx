/** The form of a contract: a new one, or another subscription of a user. */
import { useEffect, useState } from 'preact/hooks';
import { Form } from './form.tsx';
import { Problem } from './parts.tsx';
import { callSpace, inOrganization, type OfferedPricing, type OfferedService, useSpace } from './space-calls.ts';
import { Organization, type SpaceFormProps } from './space-forms.tsx';

/** One service of a subscription as it is chosen. */
export interface Chosen {
  readonly service: string;
  readonly version: string;
  /** Empty: none. Undefined: nothing is chosen yet. */
  readonly plan: string | undefined;
  readonly addOns: Readonly<Record<string, number>>;
}

export interface EditedContract {
  readonly user: string;
  readonly organization: string;
  readonly chosen: readonly Chosen[];
}

/** A new contract, or with `contract` another subscription of its user: a novation. */
export function Contract({ space, contract, ...ends }: SpaceFormProps & { readonly contract: EditedContract | undefined }) {
  const [organization, setOrganization] = useState(contract?.organization ?? '');
  const [chosen, setChosen] = useState<readonly Chosen[]>(contract?.chosen ?? []);
  const listed = useSpace<readonly OfferedService[]>(
    space,
    /^[0-9a-f]{24}$/.test(organization) ? `${inOrganization(organization, 'services')}?limit=100` : undefined,
  );
  const services = listed?.ok === true ? listed.value : [];
  const left = services.filter(({ name }) => !chosen.some(({ service }) => service.toLowerCase() === name.toLowerCase()));
  const change = (service: string, changed: ChoiceChange) =>
    setChosen((before) => before.flatMap((one) => (one.service === service ? (changed(one) ?? []) : one)));
  const submit = (fields: FormData) => {
    const text = (name: string) => String(fields.get(name) ?? '').trim();
    const subscription = {
      contractedServices: entries(chosen, ({ version }) => version),
      subscriptionPlans: entries(
        chosen.filter(({ plan = '' }) => plan !== ''),
        ({ plan = '' }) => plan,
      ),
      subscriptionAddOns: entries(chosen, ({ addOns }) => addOns),
    };
    if (contract !== undefined) return callSpace(space, 'PUT', inOrganization(organization, 'contracts', contract.user), subscription);
    const period = { autoRenew: fields.has('autoRenew'), renewalDays: Number(text('renewalDays')) };
    const userContact = { userId: text('userId'), username: text('username') };
    return callSpace(space, 'POST', inOrganization(organization, 'contracts'), { userContact, billingPeriod: period, ...subscription });
  };
  return (
    <Form
      title={contract === undefined ? 'New contract' : `Subscription of ${contract.user}`}
      action={contract === undefined ? 'Create' : 'Change subscription'}
      said={contract === undefined ? 'The contract is made.' : 'The subscription is changed; the earlier one is in the history.'}
      {...{ submit, ...ends }}
    >
      {contract === undefined ? (
        <>
          <Organization space={space} value={organization} onInput={setOrganization} />
          <label>
            Id of the user
            <input name="userId" required maxLength={255} autocomplete="off" />
          </label>
          <label>
            User name
            <input name="username" required autocomplete="off" />
          </label>
          <label>
            Days of a billing period
            <input name="renewalDays" type="number" min={1} defaultValue="30" required />
          </label>
          <label class="check">
            <input type="checkbox" name="autoRenew" defaultChecked /> It renews itself
          </label>
        </>
      ) : null}
      {chosen.map((one) => (
        <ChosenService
          key={one.service}
          {...{ space, organization, one }}
          versions={Object.keys(
            services.find(({ name }) => name.toLowerCase() === one.service.toLowerCase())?.activePricings ?? { [one.version]: {} },
          )}
          onChange={(changed) => change(one.service, changed)}
        />
      ))}
      {left.length === 0 ? null : (
        <label>
          Add a service
          <select
            value=""
            onChange={(event) => {
              const name = event.currentTarget.value;
              const version = Object.keys(left.find((each) => each.name === name)?.activePricings ?? {}).at(-1);
              if (version !== undefined) setChosen((before) => [...before, { service: name, version, plan: undefined, addOns: {} }]);
            }}
          >
            <option value="">Choose one</option>
            {left.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      )}
      {listed?.ok === false ? <Problem message={listed.message} /> : null}
    </Form>
  );
}

const entries = <T,>(chosen: readonly Chosen[], of: (one: Chosen) => T): Record<string, T> =>
  Object.fromEntries(chosen.map((one) => [one.service, of(one)]));

/** What a choice becomes; undefined: it is removed. It is given the choice of now, which may be newer than the one that is drawn. */
type ChoiceChange = (now: Chosen) => Chosen | undefined;

interface ChosenProps {
  readonly space: string;
  readonly organization: string;
  readonly one: Chosen;
  readonly versions: readonly string[];
  onChange(changed: ChoiceChange): void;
}

function ChosenService({ space, organization, one, versions, onChange }: ChosenProps) {
  const offered = useSpace<OfferedPricing>(space, inOrganization(organization, 'services', one.service, 'pricings', one.version));
  const plans = offered?.ok === true ? Object.keys(offered.value.plans ?? {}) : [];
  const addOns = offered?.ok === true ? Object.keys(offered.value.addOns ?? {}) : [];
  const plan = plans.find((name) => name.toLowerCase() === one.plan?.toLowerCase());
  useEffect(() => {
    // Another version may not have the plan.
    if (offered?.ok !== true || plan !== undefined || one.plan === '') return;
    onChange((now) => (now.version === one.version && now.plan === one.plan ? { ...now, plan: plans[0] ?? '' } : now));
  }, [offered]);
  return (
    <fieldset class="fields">
      <legend>{one.service}</legend>
      <label>
        Version
        <select
          value={one.version}
          onChange={(event) => {
            const version = event.currentTarget.value;
            onChange((now) => ({ ...now, version, addOns: {} }));
          }}
        >
          {[...new Set([...versions, one.version])].map((version) => (
            <option key={version}>{version}</option>
          ))}
        </select>
      </label>
      <label>
        Plan
        <select
          value={plan ?? ''}
          onChange={(event) => {
            const chosen = event.currentTarget.value;
            onChange((now) => ({ ...now, plan: chosen }));
          }}
        >
          {plans.map((name) => (
            <option key={name}>{name}</option>
          ))}
          <option value="">no plan</option>
        </select>
      </label>
      {addOns.map((name) => (
        <label key={name}>
          {name} (add-on)
          <input
            type="number"
            min={0}
            value={one.addOns[name] ?? 0}
            onInput={(event) => {
              const quantity = Number(event.currentTarget.value);
              onChange((now) => {
                const { [name]: _old, ...others } = now.addOns;
                return { ...now, addOns: quantity > 0 ? { ...others, [name]: quantity } : others };
              });
            }}
          />
        </label>
      ))}
      {offered?.ok === false ? <Problem message={offered.message} /> : null}
      <div class="row">
        <button type="button" onClick={() => onChange(() => undefined)}>
          Remove {one.service}
        </button>
      </div>
    </fieldset>
  );
}
