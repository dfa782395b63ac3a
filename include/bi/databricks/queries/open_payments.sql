SELECT * FROM marts.payment_ageing ORDER BY currency, side, age
