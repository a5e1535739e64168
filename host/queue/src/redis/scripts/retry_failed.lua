-- retry_failed: puts failed jobs back to the end of the queue, attempts and crashes at 0.
-- KEYS: a channel.
-- ARGV: now or '', token, ids.
-- Returns: for each the id it has now, or `-` where it is not in the failed set, as one line; the same again for the same token.
local k, now, token = channel(1), clock(ARGV[1]), ARGV[2]
local over = answered(k, token)
if over then
  return over
end

local function retry(id)
  local field, epoch = failed_field(k, id)
  if not field then
    return '-'
  end
  local message = redis.call('HGET', k.failed_messages, field) or ''
  local entry = redis.call('HGET', k.failed, field) or ''
  -- Since a foreign clear the number belongs to another job.
  if epoch ~= state(k, 'epoch') or redis.call('HSETNX', k.messages, id, message) == 0 then
    id = new_id(k, message)
    discard(k, 1)
  end
  -- Written by settle.lua; inside of a JSON string every quote has a backslash
  -- before it, so these marks stand nowhere else.
  local job, record = string.match(entry, ',"job":(.-),"progress":.*,"record":(.*)}$')
  local ready = enqueue(k, id, 0, now)
  redis.call('HSET', k.jobs, id .. ':times', times(ready, 0, nil))
  if job and job ~= 'null' then
    redis.call('HSET', k.jobs, id .. ':job', job)
  end
  if record then
    redis.call('HSET', k.jobs, id .. ':record', record)
  end
  drop_failed(k, field)
  return id
end

local results = {}
for at = 3, #ARGV do
  results[#results + 1] = retry(ARGV[at])
end
results = table.concat(results, ' ')
keep_receipt(k, token, results, now)
return results
