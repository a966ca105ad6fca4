"""Small files typed by hand in the documented forms of the vendors, and how a test writes one."""

from __future__ import annotations

from pathlib import Path

STEPS = {"tick_size": "0.01", "lot_size": "0.001"}

LOBSTER_MESSAGES = """\
34200.017459617,1,16113575,18,5853300,1
34200.18960767,1,16113584,18,5853200,1
34200.189607670,1,16113594,30,5859400,-1
34201.5,2,16113584,8,5853200,1
34202,4,16113575,5,5853300,1
34202.000000001,5,0,7,5855000,-1
34203.25,3,16113594,30,5859400,-1
34204,3,4711,100,5860000,-1
34205.1,7,0,0,-1,-1
"""
LOBSTER_BOOK = """\
9999999999,0,5853300,18,9999999999,0,-9999999999,0
5859400,30,5853300,18,9999999999,0,5853200,18
"""

BINANCE = """\
{"result":null,"id":1}
{"e":"depthUpdate","E":1700000000000,"T":1700000000001,"s":"BTCUSDT","U":90,"u":99,"pu":89,"b":[["100.00","9.000"]],"a":[]}
{"e":"depthUpdate","E":1700000000100,"T":1700000000101,"s":"BTCUSDT","U":100,"u":105,"pu":99,"b":[["100.00","2.500"],["99.99","0.000"]],"a":[["100.02","1.000"]]}
{"lastUpdateId":102,"E":1700000000050,"T":1700000000049,"bids":[["100.00","1.000"],["99.99","3.000"]],"asks":[["100.01","4.000"]]}
{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1700000000200,"T":1700000000201,"s":"BTCUSDT","U":106,"u":110,"pu":105,"b":[],"a":[["100.01","0.000"]]}}
{"e":"bookTicker","u":110,"E":1700000000201,"T":1700000000201,"s":"BTCUSDT","b":"100.00","B":"2.500","a":"100.02","A":"1.000"}
{"e":"trade","E":1700000000202,"T":1700000000202,"s":"BTCUSDT","t":5,"p":"100.02","q":"0.100","X":"MARKET","m":false}
"""

TARDIS = """\
exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount
deribit,BTC-PERPETUAL,1585699200245000,1585699200250000,true,ask,6425.5,90
deribit,BTC-PERPETUAL,1585699200245000,1585699200250000,true,bid,6425,1310
deribit,BTC-PERPETUAL,1585699200245000,1585699200251000,true,bid,6424.5,20
deribit,BTC-PERPETUAL,1585699202957000,1585699202960000,false,bid,6425,0
deribit,BTC-PERPETUAL,1585699202957000,1585699202960000,false,ask,6426,7
deribit,BTC-PERPETUAL,1585699203000000,1585699203001000,false,bid,6424,1
"""

TARDIS_SNAPSHOTS = """\
exchange,symbol,timestamp,local_timestamp,asks[0].price,asks[0].amount,bids[0].price,bids[0].amount,asks[1].price,asks[1].amount,bids[1].price,bids[1].amount
binance-futures,BTCUSDT,1598918403696000,1598918403810979,11657.08,10.896,11657.07,4.482,11657.12,0.5,11657.06,2.1
binance-futures,BTCUSDT,1598918403796000,1598918403910979,11657.09,1,11657.07,4.482,,,11657.05,0.3
"""

BITMEX = """\
{"info":"Welcome to the BitMEX Realtime API.","version":"2","docs":"https://www.bitmex.com/app/wsAPI"}
{"success":true,"subscribe":"orderBookL2_25:XBTUSD"}
{"table":"orderBookL2_25","action":"update","data":[{"symbol":"XBTUSD","id":8797309800,"side":"Buy","size":1}]}
{"table":"orderBookL2_25","action":"partial","keys":["symbol","id","side"],"data":[{"symbol":"XBTUSD","id":8797309750,"side":"Sell","size":500,"price":26902.5,"timestamp":"2023-05-19T08:51:43.000Z"},{"symbol":"XBTUSD","id":8797309800,"side":"Buy","size":32800,"price":26902,"timestamp":"2023-05-19T08:51:43.000Z"}]}
{"table":"orderBookL2_25","action":"insert","data":[{"symbol":"XBTUSD","id":8797309850,"side":"Buy","size":700,"price":26901.5,"timestamp":"2023-05-19T08:51:43.911Z"}]}
{"table":"orderBookL2_25","action":"update","data":[{"symbol":"XBTUSD","id":8797309800,"side":"Buy","size":42800,"timestamp":"2023-05-19T08:51:44.911Z"}]}
{"table":"orderBookL2_25","action":"delete","data":[{"symbol":"XBTUSD","id":8797309850,"side":"Buy","timestamp":"2023-05-19T08:51:45.911Z"},{"symbol":"XBTUSD","id":1,"side":"Buy","timestamp":"2023-05-19T08:51:45.911Z"}]}
{"table":"trade","action":"insert","data":[]}
"""

BYBIT = """\
{"success":true,"ret_msg":"","conn_id":"x","request":{"op":"subscribe","args":["orderBookL2_25.BTCUSD"]}}
{"topic":"orderBookL2_25.BTCUSD","type":"snapshot","data":[{"price":"2999.00","symbol":"BTCUSD","id":29990000,"side":"Buy","size":9},{"price":"3001.00","symbol":"BTCUSD","id":30010000,"side":"Sell","size":10}],"cross_seq":11518,"timestamp_e6":1555647164875373}
{"topic":"orderBookL2_25.BTCUSD","type":"delta","data":{"delete":[{"price":"3001.00","symbol":"BTCUSD","id":30010000,"side":"Sell"}],"update":[{"price":"2999.00","symbol":"BTCUSD","id":29990000,"side":"Buy","size":8}],"insert":[{"price":"3001.50","symbol":"BTCUSD","id":30015000,"side":"Sell","size":10}],"transactTimeE6":0},"cross_seq":11519,"timestamp_e6":1555647221331673}
"""
BYBIT_LINEAR = """\
{"topic":"orderBookL2_25.BTCUSDT","type":"snapshot","data":{"order_book":[{"price":"2999.00","symbol":"BTCUSDT","id":"29990000","side":"Buy","size":9}]},"cross_seq":"11518","timestamp_e6":"1555647164875373"}
"""

HYPERLIQUID = """\
{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC"}}}
{"channel":"l2Book","data":{"coin":"BTC","time":1700000000123,"levels":[[{"px":"37000.0","sz":"1.5","n":3},{"px":"36999.0","sz":"0.2","n":1}],[{"px":"37001.0","sz":"2.25","n":2}]]}}
{"time":"2023-11-14T22:13:21.000000005Z","ver_num":1,"raw":{"channel":"l2Book","data":{"coin":"BTC","time":1700000000923,"levels":[[{"px":"36998.0","sz":"1","n":1}],[]]}}}
{"coin":"BTC","time":1700000002000,"levels":[[{"px":"36998.0","sz":"3","n":1}],[{"px":"37003.0","sz":"1.0","n":1}]]}
"""


def put(folder: Path, text: str | bytes, name: str = "f.txt") -> Path:
    """Write a file and return its place."""
    place = folder / name
    place.write_bytes(text if isinstance(text, bytes) else text.encode())
    return place
