-- settle: applies verdicts and stores their follow-ups, each job for itself.
-- KEYS: the channel of the leases, then the other channels of follow-ups.
-- ARGV: now or '', token, then for each job: id, lease token, terms, record (JSON), output, and for each of its
-- follow-ups: number of its channel in KEYS, message, delay (s), metadata (JSON). Terms are `VERDICT DELAY DONE FAILED
-- FOLLOW_UPS`: done, retry, failed, postponed or back; s; retention if done and if failed (ms, 0 = none); how many.
-- Returns: a line for each job: `yes <id> …`, `lost`, or `refused <why>`; the same again for the same token.
local k, now, token = channel(1), clock(ARGV[1]), ARGV[2]

-- Terms as they stand in ARGV: those of most jobs of a call are equal, and read once.
local read = {}
local function terms_of(stands)
  if not read[stands] then
    local verdict, delay, keep_done, keep_failed, count = string.match(stands, '^(%a+) (%d+) (%d+) (%d+) (%d+)$')
    read[stands] = { verdict = verdict, delay = tonumber(delay), keep_done = tonumber(keep_done),
      keep_failed = tonumber(keep_failed), count = tonumber(count) }
  end
  return read[stands]
end

-- Where each job stands in ARGV.
local places, fails, at = {}, false, 3
while at <= #ARGV do
  local terms = terms_of(ARGV[at + 2])
  places[#places + 1] = at
  fails = fails or terms.verdict == 'failed'
  at = at + 5 + terms.count * 4
end

local bad = bad_type(k, not fails and OF_FAILED)
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
local ended_at = '{"ended_at":' .. text(now) .. ',"attempts":'
local function entry_of(record, attempts, crashes, job, progress)
  return ended_at .. attempts .. ',"crashes":' .. crashes .. ',"job":' .. (job or 'null')
    .. ',"progress":' .. (progress or 'null') .. ',"record":' .. record .. '}'
end

local function entry(id, s)
  return entry_of(s.record, text(attempts_of(k, id)), text(s.kept.crashes), s.kept.job,
    redis.call('HGET', k.jobs, id .. ':progress'))
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
    set_state(k, 'failures', nth)
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

-- Lease records: those of jobs that were reserved together are equal, and read once.
local leases = {}
local function lease_of(record)
  leases[record] = leases[record] or read_lease(record)
  return leases[record]
end

-- The job at ARGV[at], for those that are settled one by one.
local function settlement(at)
  local terms = terms_of(ARGV[at + 2])
  local s = {
    id = ARGV[at], token = ARGV[at + 1], verdict = terms.verdict, delay = terms.delay, record = ARGV[at + 3],
    output = ARGV[at + 4], keep_done = terms.keep_done, keep_failed = terms.keep_failed, follow_ups = {},
  }
  for i = 1, terms.count do
    local first = at + 5 + (i - 1) * 4
    s.follow_ups[i] = { block = tonumber(ARGV[first]), at = first + 1 }
  end
  return s
end

-- Settles so many of the jobs. What decides is read for all at once, and so is written what follows for those
-- that are done, held and push nothing. The others are settled one by one, in their order.
local function settle_all(from, to, results)
  local ids, fields, seen = {}, {}, {}
  for nth = from, to do
    local i = nth - from + 1
    local id, f = ARGV[places[nth]], 4 * i
    ids[i] = id
    fields[f - 3], fields[f - 2], fields[f - 1], fields[f] =
      id .. ':lease', id .. ':job', id .. ':crashes', id .. ':progress'
  end
  local scores = redis.call('ZMSCORE', k.reserved, unpack(ids))
  local attempts = redis.call('HMGET', k.attempts, unpack(ids))
  local records = redis.call('HMGET', k.jobs, unpack(fields))
  local done, done_at, output, over, gone = {}, {}, {}, {}, {}
  local function write()
    if #done > 0 then
      redis.call('HSET', k.done, unpack(done))
      redis.call('ZADD', k.done_at, unpack(done_at))
    end
    if #output > 0 then
      redis.call('HSET', k.output, unpack(output))
    end
    if #over > 0 then
      forget_all(k, over, gone)
    end
    done, done_at, output, over, gone = {}, {}, {}, {}, {}
  end
  for i, id in ipairs(ids) do
    local at, f = places[from + i - 1], 4 * i
    local terms = terms_of(ARGV[at + 2])
    local plain = terms.verdict == 'done' and terms.count == 0 and not seen[id] and scores[i] and records[f - 3]
    local lease = plain and lease_of(records[f - 3])
    if lease and lease.token == ARGV[at + 1] and tonumber(scores[i]) == lease.score
      and redis.call('HEXISTS', k.messages, id) == 1 then
      if terms.keep_done > 0 then
        local n, job = #done, records[f - 2]
        local crashes = records[f - 1] and text(tonumber(records[f - 1]) or 0) or '0'
        done[n + 1] = id
        done[n + 2] = entry_of(ARGV[at + 3], text(count_from(attempts[i])), crashes, is_job(job) and job, records[f])
        done_at[n + 1], done_at[n + 2] = text(now + terms.keep_done), id
        if ARGV[at + 4] ~= '' then
          local o = #output
          output[o + 1], output[o + 2] = id, ARGV[at + 4]
        end
      end
      over[#over + 1] = id
      local g = #gone
      gone[g + 1], gone[g + 2], gone[g + 3], gone[g + 4] = fields[f - 3], fields[f - 2], fields[f - 1], fields[f]
      gone[g + 5], gone[g + 6], gone[g + 7] = id .. ':times', id .. ':record', id .. ':changed'
      results[#results + 1] = 'yes'
    else
      write()
      results[#results + 1] = settle(settlement(at))
    end
    seen[id] = true
  end
  write()
end

local results = {}
for from = 1, #places, AT_ONCE do
  settle_all(from, math.min(from + AT_ONCE - 1, #places), results)
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
