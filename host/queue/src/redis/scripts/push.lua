-- push: stores new jobs, all or none.
-- KEYS: a channel, and with a fence the channel of its lease.
-- ARGV: now or '', token, with a fence its id and token, then for each job: message, delay (s), metadata (JSON).
-- Returns: `stored <id> …` or `lost`; the same again for the same token.
local k, now, token = channel(1), clock(ARGV[1]), ARGV[2]
local fence = #KEYS > #NAMES and channel(2)
local bad = bad_type(k, OF_OVER) or fence and bad_type(fence, OF_OVER)
if bad then
  return corrupt(bad)
end
local before = receipt(k, token)
if before then
  return before
end
notice_clear(k)
if fence and not held(fence, ARGV[3], ARGV[4]) then
  return 'lost'
end
local result, jobs, n = { 'stored' }, {}, 0
for at = fence and 5 or 3, #ARGV, 3 do
  n = n + 1
  jobs[#jobs + 1] = job_from(at, token, n)
  if #jobs == AT_ONCE or at + 3 > #ARGV then
    for _, id in ipairs(store_jobs(k, jobs, now)) do
      result[#result + 1] = id
    end
    jobs = {}
  end
end
result = table.concat(result, ' ')
keep_receipt(k, token, result, now)
tidy_unswept(k, math.ceil((#ARGV - 2) / 3), now)
return result
