--[[ Records a new API key, once per idempotency key.
  KEYS[1] keys         hash    key id → key (JSON)
  KEYS[2] secrets      hash    sha256 of a secret (hex) → key id
  KEYS[3] idempotency  string  `<fingerprint> <key id>`; absent when none was sent
  ARGV[1] id   ARGV[2] key (JSON)   ARGV[3] sha256 of its secret   ARGV[4] fingerprint of the request   ARGV[5] how long that is kept (ms)
  Answers {'created'}, {'replayed', id, key or ''} or {'reused'}. ]]
if KEYS[3] then
  local earlier = redis.call('GET', KEYS[3])
  if earlier then
    local fingerprint, id = string.match(earlier, '^(%S+) (%S+)$')
    if fingerprint ~= ARGV[4] then return { 'reused' } end
    return { 'replayed', id, redis.call('HGET', KEYS[1], id) or '' }
  end
  redis.call('SET', KEYS[3], ARGV[4] .. ' ' .. ARGV[1], 'PX', ARGV[5])
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[3], ARGV[1])
return { 'created' }
