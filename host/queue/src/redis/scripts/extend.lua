-- extend: says that these leases are really held.
-- KEYS: a channel.
-- ARGV: now or '', whether the worker is stopping (0 or 1), then id and token of each lease.
-- Returns: 1 (held) or 0 (lost) for each.
local k, now, stopping = channel(1), clock(ARGV[1]), ARGV[2] == '1'
local bad = bad_type(k, OF_OVER)
if bad then
  return corrupt(bad)
end
notice_clear(k)
local results = {}
for at = 3, #ARGV, 2 do
  local records = held(k, ARGV[at], ARGV[at + 1])
  if records then
    records.lease.stopping = records.lease.stopping or stopping
    hold(k, ARGV[at], records.lease, now)
  end
  results[#results + 1] = records and 1 or 0
end
return results
