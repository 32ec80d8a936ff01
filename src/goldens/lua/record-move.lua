-- An alias' moves, newest first, as JSON {revision, moves: [{golden, at (ms), by?, reason?}, …]} in a hash, alias → JSON.
-- The revision counts all of them, so that an etag is never given twice.
local function readMoves(key, alias)
  local text = redis.call('HGET', key, alias)
  return text and cjson.decode(text) or { revision = 0, moves = {} }
end

local function recordMove(key, alias, move, kept)
  local record = readMoves(key, alias)
  record.revision = record.revision + 1
  table.insert(record.moves, 1, move)
  while #record.moves > kept do table.remove(record.moves) end
  redis.call('HSET', key, alias, cjson.encode(record))
end
