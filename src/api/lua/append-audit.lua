--[[ Appends entries to the audit log, whose oldest are let go.
  KEYS[1] audit  stream
  ARGV[1] entries kept at least   ARGV[2] fields of an entry (n)   ARGV[3…] n names, then n values for each entry ]]
local n = tonumber(ARGV[2])
for first = 3 + n, #ARGV, n do
  local fields = {}
  for i = 0, n - 1 do
    local value = ARGV[first + i]
    if value ~= '' then
      fields[#fields + 1] = ARGV[3 + i]
      fields[#fields + 1] = value
    end
  end
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(fields))
end
