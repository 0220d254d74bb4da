BEGIN TRANSACTION;
CREATE TABLE target_batch_arrivals (
	staging INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	member VARCHAR(512) NOT NULL, 
	hash BLOB, 
	body BLOB, 
	line BIGINT NOT NULL, 
	source BLOB NOT NULL, 
	PRIMARY KEY (staging, number)
)
 WITHOUT ROWID

;
CREATE TABLE target_batch_audiences (
	id INTEGER NOT NULL, 
	scope VARCHAR(200) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	stream TEXT, 
	mirrored_by VARCHAR(64), 
	held_by VARCHAR(64), 
	known BOOLEAN NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (scope, name)
);
INSERT INTO "target_batch_audiences" VALUES(1,'project:8969e129623631953939d928','vip','cohort','20261127T020650Z-99bea1',NULL,1);
CREATE TABLE target_batch_members (
	audience INTEGER NOT NULL, 
	member VARCHAR(512) NOT NULL, 
	hash BLOB, 
	PRIMARY KEY (audience, member)
)
 WITHOUT ROWID

;
INSERT INTO "target_batch_members" VALUES(1,'u1',X'BE7064BCDBF5472B18157844AC123D4C');
INSERT INTO "target_batch_members" VALUES(1,'u2',X'1EA808E729B0266AA951F7B89C9E4A5B');
INSERT INTO "target_batch_members" VALUES(1,'u3',X'922CD020E48E140F5D535E37D2615390');
CREATE TABLE target_batch_payloads (
	scope INTEGER NOT NULL, 
	custom_id VARCHAR(512) NOT NULL, 
	hash BLOB NOT NULL, 
	accepted FLOAT NOT NULL, 
	PRIMARY KEY (scope, custom_id)
)
 WITHOUT ROWID

;
INSERT INTO "target_batch_payloads" VALUES(2,'u1',X'BCFF2114EC7C9B06E461B2315BECFA10',0.0);
INSERT INTO "target_batch_payloads" VALUES(2,'u2',X'6F203275ED1E34A128D9C454AF9B9EE7',1.79574520901649618146e+09);
INSERT INTO "target_batch_payloads" VALUES(2,'u3',X'9EE6E10756BDB5783B5871F0B7A24399',1.79574520901649618146e+09);
INSERT INTO "target_batch_payloads" VALUES(2,'u4',X'C19C51E52E9A44EAE1EF25DBDB821272',1.79574520901649618146e+09);
INSERT INTO "target_batch_payloads" VALUES(2,'u5',X'6DDADD5438CC2DC81FE4AD03AE61215B',1.79574520901649618146e+09);
INSERT INTO "target_batch_payloads" VALUES(3,'u1',X'6CDAAAC96B4E499BFDDB31D60A4B21D4',1.79574520991175746922e+09);
CREATE TABLE target_batch_runs (
	run VARCHAR(64) NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	pid INTEGER NOT NULL, 
	touched FLOAT NOT NULL, 
	PRIMARY KEY (run)
);
INSERT INTO "target_batch_runs" VALUES('20261127T020650Z-99bea1','vm/4026531836',25955,1.79574521065992498392e+09);
CREATE TABLE target_batch_scopes (
	id INTEGER NOT NULL, 
	scope VARCHAR(200) NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (scope)
);
INSERT INTO "target_batch_scopes" VALUES(1,'payloads:bdfaa935d4f102ecab37080f');
INSERT INTO "target_batch_scopes" VALUES(2,'payloads:9e6674796fc1109a15d79f61');
INSERT INTO "target_batch_scopes" VALUES(3,'payloads:a678f735221ee9767f16a8d0');
CREATE TABLE target_batch_staged (
	staging INTEGER NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	member VARCHAR(512) NOT NULL, 
	hash BLOB, 
	number INTEGER NOT NULL, 
	records INTEGER NOT NULL, 
	refused BOOLEAN NOT NULL, 
	PRIMARY KEY (staging, name, member)
)
 WITHOUT ROWID

;
CREATE TABLE target_batch_stagings (
	id INTEGER NOT NULL, 
	run VARCHAR(64) NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE target_batch_version (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "target_batch_version" VALUES(2);
CREATE TABLE target_batch_writers (
	project INTEGER NOT NULL, 
	attribute VARCHAR(255) NOT NULL, 
	writer INTEGER NOT NULL, 
	stream TEXT NOT NULL, 
	until FLOAT NOT NULL, 
	PRIMARY KEY (project, attribute, writer)
)
 WITHOUT ROWID

;
INSERT INTO "target_batch_writers" VALUES(1,'$email_marketing',2,'users',1.80092920915815591807e+09);
INSERT INTO "target_batch_writers" VALUES(1,'plan',2,'users',1.80092920915815591807e+09);
INSERT INTO "target_batch_writers" VALUES(1,'plan',3,'crm_users',1.80092920990157246592e+09);
COMMIT;
