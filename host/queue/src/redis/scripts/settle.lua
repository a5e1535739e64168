-- settle: applies verdicts and stores their follow-ups, each job for itself.
-- KEYS: the channel of the leases, then the other channels of follow-ups.
-- ARGV: now or '', token, then for each job: id, lease token, verdict (done, retry, failed, postponed, back),
-- delay (s), record (JSON), output, retention if done and if failed (ms, 0 = none), number of follow-ups, and for
-- each of them: number of its channel in KEYS, message, delay (s), metadata (JSON).
-- Returns: a line for each job: `yes <id> …`, `lost`, or `refused <why>`; the same again for the same token.
local k, now, token = channel(1), clock(ARGV[1]), ARGV[2]
local bad = bad_type(k)
if bad then
  return corrupt(bad)
end
local before = receipt(k, token)
if before then
  local again = {}
  for times, line in string.gmatch(before, '(%d+) ([^\n]+)') do
    again[#again + 1] = string.rep(line .. '\n', tonumber(times))
  end
  return table.concat(again)
end
notice_clear(k)

local targets = { { keys = k } }
local function target(block)
  if not targets[block] then
    local keys = channel(block)
    targets[block] = { keys = keys, bad = bad_type(keys) }
    if not targets[block].bad then
      notice_clear(keys)
    end
  end
  return targets[block]
end

-- What stays of a job that is over, as JSON.
local function entry_of(s, attempts, progress)
  return '{"ended_at":' .. text(now) .. ',"attempts":' .. text(attempts)
    .. ',"crashes":' .. text(s.kept.crashes) .. ',"job":' .. (s.kept.job or 'null')
    .. ',"progress":' .. (progress or 'null') .. ',"record":' .. s.record .. '}'
end

local function entry(id, s)
  return entry_of(s, attempts_of(k, id), redis.call('HGET', k.jobs, id .. ':progress'))
end

local verdicts, front = {}, {}

function verdicts.done(id, s)
  if s.keep_done > 0 then
    redis.call('HSET', k.done, id, entry(id, s))
    redis.call('ZADD', k.done_at, text(now + s.keep_done), id)
    if s.output ~= '' then
      redis.call('HSET', k.output, id, s.output)
    end
  end
  forget(k, id)
end

function verdicts.failed(id, s)
  if s.keep_failed > 0 then
    local epoch = text(state(k, 'epoch'))
    local field, epochs = id .. '/' .. epoch, redis.call('HGET', k.failed_ids, id)
    redis.call('HSET', k.failed, field, entry(id, s))
    redis.call('HSET', k.failed_messages, field, redis.call('HGET', k.messages, id))
    redis.call('HSET', k.failed_ids, id, epochs and epochs .. ' ' .. epoch or epoch)
    -- A fraction keeps those of one millisecond in order.
    local nth = (state(k, 'failures') + 1) % 1000
    redis.call('HSET', k.state, 'failures', text(nth))
    redis.call('ZADD', k.failed_at, string.format('%.3f', now + nth / 1000), field)
    redis.call('ZADD', k.failed_until, text(now + s.keep_failed), field)
  else
    discard(k, 1)
  end
  forget(k, id)
end

local function again(id, s)
  drop_lease(k, id)
  redis.call('HSET', k.jobs, id .. ':record', s.record)
  redis.call('ZREM', k.reserved, id)
end

function verdicts.retry(id, s)
  again(id, s)
  local ready = enqueue(k, id, s.delay, now)
  redis.call('HSET', k.jobs, id .. ':times', times(ready, attempts_of(k, id), s.kept.first))
end

function verdicts.postponed(id, s)
  uncount(k, id)
  verdicts.retry(id, s)
end

function verdicts.back(id, s)
  again(id, s)
  uncount(k, id)
  front[#front + 1] = id
end

local pushed = 0
local function settle(s)
  s.kept = held(k, s.id, s.token)
  if not s.kept then
    return 'lost'
  end
  for _, follow_up in ipairs(s.follow_ups) do
    local bad_target = target(follow_up.block).bad
    if bad_target then
      return 'refused ' .. string.gsub(bad_target, '\n', ' ')
    end
  end
  verdicts[s.verdict](s.id, s)
  local result = { 'yes' }
  for _, follow_up in ipairs(s.follow_ups) do
    pushed = pushed + 1
    local job = job_from(follow_up.at, token, pushed)
    local to = target(follow_up.block)
    to.stored = (to.stored or 0) + 1
    result[#result + 1] = store_job(to.keys, job, now)
  end
  return table.concat(result, ' ')
end

-- Settles jobs of which what decides was read for all at once, and writes so what follows for those that are done, held
-- and push nothing. The others are settled one by one, in their order.
local function settle_all(batch, results)
  local ids, fields, seen = {}, {}, {}
  for i, s in ipairs(batch) do
    ids[i] = s.id
    record_fields(fields, s.id)
  end
  local scores = redis.call('ZMSCORE', k.reserved, unpack(ids))
  local attempts = redis.call('HMGET', k.attempts, unpack(ids))
  local records = redis.call('HMGET', k.jobs, unpack(fields))
  for i, id in ipairs(ids) do
    fields[i] = id .. ':progress'
  end
  local progress = redis.call('HMGET', k.jobs, unpack(fields, 1, #ids))
  local done, done_at, output, over = {}, {}, {}, {}
  local function write()
    if #done > 0 then
      redis.call('HSET', k.done, unpack(done))
      redis.call('ZADD', k.done_at, unpack(done_at))
    end
    if #output > 0 then
      redis.call('HSET', k.output, unpack(output))
    end
    if #over > 0 then
      forget_all(k, over)
    end
    done, done_at, output, over = {}, {}, {}, {}
  end
  for i, s in ipairs(batch) do
    local id, lease = s.id, nil
    if s.verdict == 'done' and #s.follow_ups == 0 and not seen[id] then
      s.kept = records_from(records, (i - 1) * RECORD_FIELDS)
      lease = s.kept.lease
    end
    if lease and lease.token == s.token and scores[i] and tonumber(scores[i]) == lease.score
      and redis.call('HEXISTS', k.messages, id) == 1 then
      if s.keep_done > 0 then
        done[#done + 1] = id
        done[#done + 1] = entry_of(s, count_from(attempts[i]), progress[i])
        done_at[#done_at + 1] = text(now + s.keep_done)
        done_at[#done_at + 1] = id
        if s.output ~= '' then
          output[#output + 1] = id
          output[#output + 1] = s.output
        end
      end
      over[#over + 1] = id
      results[#results + 1] = 'yes'
    else
      write()
      results[#results + 1] = settle(s)
    end
    seen[id] = true
  end
  write()
end

local results, batch, at = {}, {}, 3
while at <= #ARGV do
  local s = {
    id = ARGV[at], token = ARGV[at + 1], verdict = ARGV[at + 2], delay = tonumber(ARGV[at + 3]),
    record = ARGV[at + 4], output = ARGV[at + 5], keep_done = tonumber(ARGV[at + 6]),
    keep_failed = tonumber(ARGV[at + 7]), follow_ups = {},
  }
  local count = tonumber(ARGV[at + 8])
  for i = 1, count do
    local first = at + 9 + (i - 1) * 4
    s.follow_ups[i] = { block = tonumber(ARGV[first]), at = first + 1 }
  end
  batch[#batch + 1] = s
  at = at + 9 + count * 4
  if #batch == AT_ONCE or at > #ARGV then
    settle_all(batch, results)
    batch = {}
  end
end
to_front(k, front)
for _, to in pairs(targets) do
  if to.stored then
    tidy_unswept(to.keys, to.stored, now)
  end
end
-- Most jobs are settled alike: equal answers are kept once.
local kept, n = {}, 0
for i, line in ipairs(results) do
  n = n + 1
  if results[i + 1] ~= line then
    kept[#kept + 1], n = text(n) .. ' ' .. line, 0
  end
end
keep_receipt(k, token, table.concat(kept, '\n'), now)
return table.concat(results, '\n')
