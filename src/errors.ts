// Errors that more than one folder throws.

/** A file of data that is not what it should be. The message names the file, what is wrong and what would be right. */
export class DataError extends Error {
  override name = 'DataError'
}
