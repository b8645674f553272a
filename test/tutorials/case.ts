// What a program must reach in the suite.

/** The first losses, which PyTorch has too (tutorials.json), or a figure at the end that lies in the range of PyTorch's seeds. */
export type Case =
  | { readonly losses: () => Promise<readonly number[]> }
  | {
      /** What the figure is, such as 'accuracy of the test set'. */
      readonly what: string
      readonly figure: () => Promise<number>
      /** Where PyTorch's seeds end with the same data and steps, as its maker prints them; the source says how many seeds. */
      readonly range: readonly [low: number, high: number]
    }
