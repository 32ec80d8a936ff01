--[[ Replaces an API key by its next version, unless it has changed meanwhile.
  KEYS[1] keys     hash  key id → key (JSON)
  KEYS[2] secrets  hash  sha256 of a secret (hex) → key id
  ARGV[1] id   ARGV[2] key as it was read (JSON), '' for none   ARGV[3] next version (JSON)
  ARGV[4] sha256 of the secret that is added   ARGV[5…] sha256 of those that are over
  Answers 1, or 0 when nothing was changed. ]]
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
for i = 5, #ARGV do redis.call('HDEL', KEYS[2], ARGV[i]) end
redis.call('HSET', KEYS[2], ARGV[4], ARGV[1])
return 1
