--[[ Removes an API key with all its secrets. Somebody must be left who can make keys: the last admin key that does not expire stays.
  KEYS[1] keys     hash  key id → key (JSON)
  KEYS[2] secrets  hash  sha256 of a secret (hex) → key id
  ARGV[1] id
  Answers 'revoked', 'not_found' or 'last_admin'. ]]
local found = redis.call('HGET', KEYS[1], ARGV[1])
if not found then return 'not_found' end
local key = cjson.decode(found)
if key.role == 'admin' then
  local others = 0
  for _, json in ipairs(redis.call('HVALS', KEYS[1])) do
    local other = cjson.decode(json)
    if other.id ~= key.id and other.role == 'admin' and not other.expiresAt then others = others + 1 end
  end
  if others == 0 then return 'last_admin' end
end
for _, secret in ipairs(key.secrets) do redis.call('HDEL', KEYS[2], secret.sha256) end
redis.call('HDEL', KEYS[1], key.id)
return 'revoked'
