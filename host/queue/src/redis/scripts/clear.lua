-- clear: removes all waiting, delayed and reserved jobs; the counter of ids and the failed set stay.
-- KEYS: a channel.
-- ARGV: now or '', token.
-- Returns: how many, as text; the same again for the same token.
local k, now, token = channel(1), clock(ARGV[1]), ARGV[2]
local over = answered(k, token)
if over then
  return over
end
local jobs = redis.call('HLEN', k.messages)
-- UNLINK: the memory is freed outside of the script.
redis.call('UNLINK', k.messages, k.waiting, k.delayed, k.reserved, k.attempts, k.jobs,
  k.leases_at, k.orphans)
discard(k, jobs)
keep_receipt(k, token, text(jobs), now)
return text(jobs)
