// Packages that are loaded when they are needed for the first time.

/**
 * A package by the `import()` that loads it, so that programs which do not need it do not load it.
 *
 * @throws Error that names the package and what needs it, if it is not installed
 */
export async function needed<T>(operation: string, name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    throw new Error(`${operation} needs the package ${name}, which can't be imported: npm install ${name}`, {
      cause: error,
    })
  }
}
