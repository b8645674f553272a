// A client of a server in this process that asks for something and never reads what it gets.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'

/** Asks for the events of the live page at `url`; destroy the socket in the end. */
export async function stall(url: string): Promise<Socket> {
  const { host, hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).pause()
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write(`GET /events HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  return socket
}

/** Looks at every answer that a server of this process gives from now on: how much of it waits for its client. */
export class LagWatch {
  static readonly #channel = 'http.server.request.start'
  readonly #answers: ServerResponse[] = []
  readonly #note = (message: unknown) => {
    this.#answers.push((message as { readonly response: ServerResponse }).response)
  }

  constructor() {
    subscribe(LagWatch.#channel, this.#note)
  }

  /** Bytes kept in this process for the answer that lags most, beyond what the kernel has taken. */
  bytes(): number {
    return Math.max(0, ...this.#answers.map(({ writableLength }) => writableLength))
  }

  stop(): void {
    unsubscribe(LagWatch.#channel, this.#note)
  }
}
