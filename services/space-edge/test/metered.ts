/** A pricing with limits of every kind, and an add-on. */
export const metered = (service: string, version: string, createdAt = '2024-05-04'): string => `
syntaxVersion: "3.0"
saasName: ${JSON.stringify(service)}
version: ${JSON.stringify(version)}
createdAt: "${createdAt}"
currency: EUR
features:
  calls:
    type: DOMAIN
    valueType: BOOLEAN
    defaultValue: true
    expression: pricingContext['features']['calls'] && subscriptionContext['minutes'] < pricingContext['usageLimits']['minutes']
usageLimits:
  minutes: { type: RENEWABLE, period: { value: 1, unit: MONTH }, valueType: NUMERIC, defaultValue: 100, linkedFeatures: [calls] }
  rooms: { type: NON_RENEWABLE, trackable: true, valueType: NUMERIC, defaultValue: 5 }
  seats: { type: NON_RENEWABLE, valueType: NUMERIC, defaultValue: 3 }
plans:
  BASIC: { price: 0, features: null, usageLimits: null }
  PRO: { price: 10, features: null, usageLimits: { minutes: { value: 1000 } } }
addOns:
  moreMinutes:
    price: 1
    availableFor: [PRO]
    usageLimitsExtensions: { minutes: { value: 100 } }
`;

/** The body of a contract about version 1 of such a service. */
export const subscription = (userId: string, service: string, plan = 'BASIC') => ({
  userContact: { userId, username: userId },
  contractedServices: { [service]: '1' },
  subscriptionPlans: { [service]: plan },
  subscriptionAddOns: {},
});
