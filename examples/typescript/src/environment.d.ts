// What wit/deps/cli has, as TypeScript sees it.
declare module 'wasi:cli/environment@0.2.0' {
  /** The variables that the operator grants: names and values. */
  export function getEnvironment(): Array<[string, string]>
}
