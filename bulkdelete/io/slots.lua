-- One exchange of one party about one account's slots: it renews, gives back, takes, stands in line.
--
-- KEYS[1]  the account's state, and the channel on which parties are told of it
-- ARGV     party, number of this exchange, lease ms, patience ms, ms that what it holds lasts from
--          now on (the lease; less from who ends), own count of slots, slots wanted,
--          held "number:stamp,...", given back "number:stamp,..."
-- returns  ms until slots may be handed out (0: now), how many others wait,
--          then number and stamp of each slot that the party holds now
--
-- All is one key: what loses a part of it loses the whole, and that shows. Only this server's clock
-- counts. The state belongs to one life of one server (`run`): after a restart, after a failover, or
-- where the key is gone or the clock went back, it is not known who holds what. Then nothing is
-- handed out until every lease of before is over; but who still holds one may say so and keep it.

local party, exchange = ARGV[1], tonumber(ARGV[2])
local lease, patience, lasts = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local count, wanted = tonumber(ARGV[6]), tonumber(ARGV[7])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
-- Two lives of a server that does not say which it is would be one.
if not run then return redis.error_reply('ERR INFO says no run_id') end

local stored = redis.call('GET', KEYS[1])
local state = stored and cjson.decode(stored)
if not state or state.run ~= run or now < state.seen - 1000 then
  state = { run = run, born = now, seen = now, slots = {}, line = {} }
end
now = math.max(now, state.seen)
state.seen = now
local hold = math.max(0, state.born + lease - now)

local function kept(list, is_kept)
  local found = {}
  for _, one in ipairs(list) do
    if is_kept(one) then found[#found + 1] = one end
  end
  return found
end

local function pairs_of(text)
  local found = {}
  for number, stamp in string.gmatch(text, '(%d+):(%d+)') do found[tonumber(number)] = tonumber(stamp) end
  return found
end

local held, given = pairs_of(ARGV[8]), pairs_of(ARGV[9])

-- What is over, and what is given back. A stamp tells one holding of a slot from the next: an
-- exchange that was held up on its way gives nothing back that was taken since.
state.slots = kept(state.slots, function(slot)
  local back = slot.party == party and slot.stamp and given[slot.number] == slot.stamp
  return slot.till > now and not back
end)
state.line = kept(state.line, function(waiter) return waiter.till > now end)

local taken = {}
for _, slot in ipairs(state.slots) do taken[slot.number] = slot end

local function put(slot)
  taken[slot.number] = slot
  state.slots[#state.slots + 1] = slot
end

if hold > 0 then
  for number, stamp in pairs(held) do
    if not taken[number] then put({ number = number, party = party, stamp = stamp }) end
  end
end

-- A slot that was kept ready for this party is its own now, unless it wants none any more.
for _, slot in ipairs(state.slots) do
  if slot.party == party then
    if slot.ready then
      if wanted > 0 then
        wanted = wanted - 1
        slot.ready, slot.stamp, slot.till = nil, exchange, now + lasts
      else
        slot.till, taken[slot.number] = 0, nil
      end
    else
      slot.till = now + lasts
    end
  end
end

-- One place in line for a party, however many slots it wants.
local place
for number, waiter in ipairs(state.line) do
  if waiter.party == party then place = number end
end
if wanted == 0 then
  if place then table.remove(state.line, place) end
elseif place then
  local mine = state.line[place]
  mine.count, mine.wanted, mine.till = count, wanted, now + patience
else
  state.line[#state.line + 1] = { party = party, count = count, wanted = wanted, till = now + patience }
end

-- The first in line that may use one of the free slots gets the highest of these: another party may
-- be allowed only the lower ones. Then it goes to the end.
local function hand_out()
  for number, waiter in ipairs(state.line) do
    for slot = waiter.count - 1, 0, -1 do
      if not taken[slot] then
        table.remove(state.line, number)
        waiter.wanted = waiter.wanted - 1
        if waiter.wanted > 0 then state.line[#state.line + 1] = waiter end
        if waiter.party == party then
          put({ number = slot, party = party, stamp = exchange, till = now + lasts })
        else
          put({ number = slot, party = waiter.party, ready = true, till = now + patience })
          redis.call('PUBLISH', KEYS[1], waiter.party)
        end
        return true
      end
    end
  end
  return false
end

while hold == 0 and hand_out() do end

state.slots = kept(state.slots, function(slot) return slot.till > 0 end)

local others, waiting = 0, false
for _, waiter in ipairs(state.line) do
  if waiter.party == party then waiting = true else others = others + 1 end
end
if waiting and not place and hold == 0 then redis.call('PUBLISH', KEYS[1], '*' .. party) end

redis.call('SET', KEYS[1], cjson.encode(state))

local answer = { hold, others }
for _, slot in ipairs(state.slots) do
  if slot.party == party and not slot.ready then
    answer[#answer + 1] = slot.number
    answer[#answer + 1] = slot.stamp
  end
end
return answer
