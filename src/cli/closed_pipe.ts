// A stream whose reader has gone away: the output ends, the program continues.

/**
 * Lets the program continue when the reader of a stream is gone: of a pipe (`dawngrad train | head -1`, EPIPE) or of a closed
 * terminal (EIO). Other errors are thrown as without this guard. May be called more than once on a stream.
 * @returns a function that tells whether the stream is closed
 */
export function surviveClosedPipe(stream: NodeJS.WritableStream): () => boolean {
  if (!guarded.has(stream)) {
    guarded.add(stream)
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (!readerGone.has(error.code ?? '')) throw error
      brokenPipes.add(stream)
    })
  }
  return () => brokenPipes.has(stream) || !stream.writable
}

const readerGone = new Set(['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED'])
const guarded = new WeakSet<NodeJS.WritableStream>()
const brokenPipes = new WeakSet<NodeJS.WritableStream>()
