-- wrk's script: sends the requests of a file in turn and prints the results as one line of JSON.
-- In the file each request follows a line with its length. {unique} in a request becomes a new text each time.

local requests = {}
local current, sent = 0, 0
local run

-- The parts of a request between its {unique}.
function parts_of(request)
  local parts, start = {}, 1
  while true do
    local from, to = request:find("{unique}", start, true)
    parts[#parts + 1] = request:sub(start, (from or 0) - 1)
    if not from then return parts end
    start = to + 1
  end
end

function init(arguments)
  local file = io.open(arguments[1], "rb")
  for line in file:lines() do
    requests[#requests + 1] = parts_of(file:read(tonumber(line)))
  end
  file:close()
  local random = io.open("/dev/urandom", "rb")
  run = random:read(8):gsub(".", function(byte) return string.format("%02x", byte:byte()) end) .. "-"
  random:close()
end

function request()
  current = current % #requests + 1
  sent = sent + 1
  return table.concat(requests[current], run .. sent)
end

function done(summary, latency, _)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "not_2xx": %d, "socket_errors": %d}',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
