// A client of the live page for bench/live.ts: `reads` takes all events, `stalls` asks for them and never reads. It prints
// a line when it is connected; when its standard input ends, another with the number of its records, and ends.
import { get } from 'node:http'
import { connect } from 'node:net'
import process from 'node:process'

const [kind, url = ''] = process.argv.slice(2)
let records = 0
const ready = () => process.stdout.write('connected\n')
if (kind === 'reads') {
  get(`${url}events`, (response) => {
    ready()
    let line = ''
    response.setEncoding('utf8').on('data', (text: string) => {
      const lines = (line + text).split('\n')
      line = lines.pop()!
      records += lines.filter((one) => one === 'event: record').length
    })
  })
} else {
  const { host, hostname, port } = new URL(url)
  connect(Number(port), hostname).pause().write(`GET /events HTTP/1.1\r\nHost: ${host}\r\n\r\n`, ready)
}
process.stdin.resume().on('end', () => {
  process.stdout.write(`${records}\n`)
  process.exit()
})
