-- remove: removes a waiting, delayed or reserved job. O(n) over `waiting` where it waits there, as in yii2-queue.
-- KEYS: a channel.
-- ARGV: now or '', token, id.
-- Returns: `1` or `0` (it was not there); the same again for the same token.
local k, now, token, id = channel(1), clock(ARGV[1]), ARGV[2], ARGV[3]
local over = answered(k, token)
if over then
  return over
end
if redis.call('HEXISTS', k.messages, id) == 0 then
  return '0'
end
if redis.call('ZREM', k.delayed, id) == 0 and redis.call('ZREM', k.reserved, id) == 0 then
  redis.call('LREM', k.waiting, 0, id)
end
forget(k, id)
discard(k, 1)
keep_receipt(k, token, '1', now)
return '1'
