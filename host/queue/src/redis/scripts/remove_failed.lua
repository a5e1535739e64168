-- remove_failed: drops jobs of the failed set, by id or by age.
-- KEYS: a channel.
-- ARGV: now or '', token, `ids` and ids; or `older` and milliseconds.
-- Returns: 1 or 0 for each id, as one line; or how many were dropped, at most a chunk. The same again for the same token.
local k, now, token = channel(1), clock(ARGV[1]), ARGV[2]
local over = answered(k, token)
if over then
  return over
end
local results, dropped = {}, 0
if ARGV[3] == 'ids' then
  for at = 4, #ARGV do
    local field = failed_field(k, ARGV[at])
    if field then
      drop_failed(k, field)
      dropped = dropped + 1
    end
    results[#results + 1] = field and '1' or '0'
  end
else
  local old = redis.call('ZRANGEBYSCORE', k.failed_at, '-inf',
    '(' .. text(now - tonumber(ARGV[4])), 'LIMIT', 0, CHUNK)
  for _, field in ipairs(old) do
    drop_failed(k, field)
  end
  dropped = #old
  results[1] = text(dropped)
end
discard(k, dropped)
results = table.concat(results, ' ')
keep_receipt(k, token, results, now)
return results
