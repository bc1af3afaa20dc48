-- wrk's script: posts the drawings in turn and prints the results as one line of JSON.
-- Argument: a file with one request body per line. The key is an environment variable, to keep it out of process lists.

local requests = {}
local current = 0

function init(arguments)
  local headers = { ["Content-Type"] = "application/json", ["X-API-Key"] = os.getenv("BENCHMARK_KEY") }
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("POST", "/classify", headers, body)
  end
end

function request()
  current = current % #requests + 1
  return requests[current]
end

function done(summary, latency, _)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "not_2xx": %d, "socket_errors": %d}',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
