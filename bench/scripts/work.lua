-- Tables, strings, closures and calls.
local function queens(n)
  local count, columns, up, down = 0, {}, {}, {}
  local function place(row)
    if row > n then count = count + 1 return end
    for c = 1, n do
      if not (columns[c] or up[row + c] or down[row - c + n]) then
        columns[c], up[row + c], down[row - c + n] = true, true, true
        place(row + 1)
        columns[c], up[row + c], down[row - c + n] = nil, nil, nil
      end
    end
  end
  place(1)
  return count
end
local words, text = {}, ("the quick brown fox jumps over the lazy dog "):rep(4000)
for word in text:gmatch("%a+") do words[word] = (words[word] or 0) + #word end
local keys = {}
for key, value in pairs(words) do keys[#keys + 1] = key .. "=" .. value end
table.sort(keys)
local sum = 0.0
for i = 1, 8000000 do sum = sum + math.sqrt(i) % 7 end
print(queens(10), table.concat(keys, ","), string.format("%.6f", sum))
